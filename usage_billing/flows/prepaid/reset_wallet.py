"""Ends every grant of a wallet at an instant: what was used before it is still paid for, and the rest expires."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at_customer
from usage_billing.audit.service import note
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.flows.prepaid.manage_grants import check_cut
from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.flows.prepaid.watch_wallets import watch
from usage_billing.wallets.models import Grant, GrantStatus
from usage_billing.wallets.queries import grants_of

_POSTED_SINCE = text("""
    SELECT max(window_start) FROM wallet_draws WHERE grant_id = ANY(CAST(:grants AS uuid[])) AND window_start >= :at
""")


def reset_wallet(
    session: Session, wallet_id: str, *, at: datetime | None, actor: str, now: datetime, grace: timedelta
) -> list[Grant]:
    """End the grants that hold at ``at`` (None: now); returns them. Asked again for that instant there are none.

    What occurred before it is paid for still until the grace time from now is over. Grants that begin then or later,
    and those that wait to be paid, stay.

    Raises NotFound; InvalidInput for an instant to come; Conflict with ``posted_since`` where one of them paid for what
    is final of a later time, and with ``cuts_posted`` where the instant divides usage of which what was paid for is.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    instant = now if at is None else at
    if instant > now:
        raise InvalidInput.field("/at", "must not be in the future", code="out_of_range")
    ending = [grant for grant in grants_of(session, [wallet.id]) if _holds_at(grant, instant)]
    since = session.execute(_POSTED_SINCE, {"grants": [grant.id for grant in ending], "at": instant}).scalar_one()
    if since is not None:
        raise Conflict(f"what was paid for of the time since {instant_text(since)} is final", code="posted_since")
    if ending:
        check_cut(session, wallet.id, instant)
    for grant in ending:
        grant.reset_at, grant.closes_at = instant, now + grace
    note(
        session,
        actor=actor,
        action="wallet.reset",
        subject=f"wallet:{wallet.id}",
        at=now,
        instant=instant_text(instant),
        grants=[str(grant.id) for grant in ending],
    )
    session.flush()
    look_at_customer(session, wallet.customer_id)
    watch(session, [wallet.customer_id], now=now)
    return ending


def _holds_at(grant: Grant, instant: datetime) -> bool:
    """Whether a grant pays for what occurs at an instant, and for what occurred before."""
    goes_on = grant.ends_at is None or instant < grant.ends_at
    return grant.status == GrantStatus.ACTIVE and grant.effective_at < instant and goes_on
