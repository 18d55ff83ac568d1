"""What a customer may still use, by usage type: the allowance that is left, and units paid for beforehand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.reports.usage import UsageLine, usage_under
from usage_billing.reports.wallets import WalletView, wallets_in_hand
from usage_billing.subscriptions.queries import Contract
from usage_billing.wallets.views import holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What there is of one usage type in the present period, over several subscriptions.

    ``has_access`` says that a subscription runs whose plan has a quota for it: what lies beyond its allowance is
    charged and not refused. ``balance`` is what is left of allowances and of wallets in units, None without a limit.
    ``overage`` is what is charged.
    """

    usage_type: str
    has_access: bool
    balance: Decimal | None
    usage: Decimal
    overage: Decimal


def access_of(session: Session, contracts: Sequence[Contract], *, now: datetime) -> dict[str, Access]:
    """The access by usage type under these subscriptions of one customer; those that do not run give none."""
    running = [one for one in contracts if _runs(one, now)]
    if not running:
        return {}
    lines: dict[str, list[UsageLine]] = {}
    for line in usage_under(session, running, now=now, span=None):
        lines.setdefault(line.usage_type, []).append(line)
    wallets = wallets_in_hand(session, running[0].customer_id, now=now)
    ids = {one.id for one in running}
    return {name: _access(name, found, wallets, ids, now=now) for name, found in sorted(lines.items())}


def _runs(contract: Contract, now: datetime) -> bool:
    term = contract.timeline.term_at(now)
    return term is not None and not term.paused


def _access(
    name: str, lines: Sequence[UsageLine], wallets: Iterable[WalletView], subscriptions: set[str], *, now: datetime
) -> Access:
    # Of a period that is cut, the segment that runs says what is left of the whole.
    present = [line for line in lines if line.has_quota and line.period_start <= now < line.period_end]
    left = [line.remaining for line in present]
    known = [one for one in left if one is not None]
    balance = None if not present or len(known) < len(left) else sum_of(known)
    if balance is not None:
        balance = EXACT.add(balance, sum_of(_units(name, one, subscriptions) for one in wallets))
    return Access(
        usage_type=name,
        has_access=bool(present),
        balance=balance,
        usage=sum_of(line.used for line in lines),
        overage=sum_of(line.charged for line in lines),
    )


def _units(name: str, view: WalletView, subscriptions: set[str]) -> Decimal:
    """The units of a wallet that may pay for this usage type under one of these subscriptions."""
    wallet = view.wallet
    if name not in (view.unit.usage_types or ()):
        return Decimal(0)
    if wallet.subscription_id is not None and wallet.subscription_id not in subscriptions:
        return Decimal(0)
    return sum_of(
        one.left
        for one in view.grants
        if one.grant.counts
        and holds(one.grant, view.as_of)
        and (one.grant.usage_types is None or name in one.grant.usage_types)
        and (one.grant.subscription_ids is None or subscriptions & set(one.grant.subscription_ids))
    )
