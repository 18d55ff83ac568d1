"""Reckons meters whose values do not add up when something else than a recording changes what they come to."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.flows.folding.value_meters import value_again
from usage_billing.meters.queries import ADDS_UP, folded_types, true_meters
from usage_billing.subscriptions.openings import lock_to_bill

_SUBSCRIPTIONS = text(f"""
    SELECT s.id
    FROM wallets AS w
    JOIN subscriptions AS s ON s.customer_id = w.customer_id AND s.id = coalesce(w.subscription_id, s.id)
    WHERE w.id = :wallet AND EXISTS (
        SELECT
        FROM wallet_scopes AS c
        JOIN usage_types AS t ON t.id = c.usage_type_id
        WHERE c.wallet_id = w.id AND NOT {ADDS_UP}
    )
    ORDER BY s.id
""")  # noqa: S608


def reckon_meters(session: Session, subscription_ids: Collection[str], *, now: datetime) -> None:
    """Bring meters whose values do not add up, and which are to be rated, to what they come to by ``now``.

    So a change of terms shows at once: their values depend on how long a billing period is, and on where it is cut.
    Locks the subscriptions, then the summaries of their meters.
    """
    lock_to_bill(session, subscription_ids)
    value_again(session, subscription_ids, true_meters(folded_types(session, hold=True)), as_of=now)


def reckon_meters_of_wallet(session: Session, wallet_id: str, *, now: datetime) -> None:
    """Bring meters that a wallet in units pays for to what they come to by ``now``.

    Else what a grant that closes paid of a level would be more than the books show, until a run reckons it. And of a
    value that is divided by time, the grant would pay nothing of a segment that has begun and has no recordings.
    """
    names = session.scalars(_SUBSCRIPTIONS, {"wallet": wallet_id}).all()
    if names:
        reckon_meters(session, names, now=now)
