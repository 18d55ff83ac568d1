"""Rules of wallets that ask for more, and what they asked for, as they are shown."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.db.filters import equal
from usage_billing.top_ups.models import TopUp, TopUpRule
from usage_billing.wallets.queries import wallets_by_id


def rule_of(session: Session, wallet_id: str) -> TopUpRule:
    """The rule of a wallet, ended or not; raises NotFound."""
    found = session.get(TopUpRule, wallet_id)
    if found is None:
        raise NotFound(f"wallet {wallet_id} has no rule for top-ups")
    return found


def rule_view(session: Session, rule: TopUpRule) -> dict[str, object]:
    """A rule with the currency of its wallet."""
    (wallet,) = wallets_by_id(session, [rule.wallet_id])
    most = None if rule.most_count is None else {"count": rule.most_count, "per": rule.most_per}
    return {"rule": rule, "currency": wallet.currency, "at_most": most}


def top_ups_where(*, wallet_id: str | None = None, state: str | None = None) -> Select[TopUp]:
    """The statement that lists what wallets asked for: one wallet, or in one state, if that is given."""
    return equal(select(TopUp), {TopUp.wallet_id: wallet_id, TopUp.state: state})


def top_up_views(session: Session, top_ups: Sequence[TopUp]) -> list[dict[str, object]]:
    """These requests, each with the currency of its wallet."""
    currencies = {one.id: one.currency for one in wallets_by_id(session, {one.wallet_id for one in top_ups})}
    return [{"top_up": one, "currency": currencies[one.wallet_id]} for one in top_ups]
