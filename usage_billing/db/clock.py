"""The database's clock, which all machines share: what is billed and recorded is dated by it."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import Unavailable

APART = timedelta(minutes=1)
"""If a machine's clock and the database's are further apart, the machine starts no run and finalizes nothing."""


def database_now(session: Session) -> datetime:
    """The present by the database's clock, in UTC; it moves on within a transaction."""
    now: datetime = session.scalars(text("SELECT clock_timestamp()")).one()
    return now


def agreed_now(session: Session, here: datetime) -> datetime:
    """The present by the database's clock; ``here`` is the present by this machine's.

    Raises Unavailable ``clocks_apart`` if the two are more than ``APART`` apart: one of them is wrong, and a period
    that is still open would be taken for over.
    """
    now = database_now(session)
    apart = here - now
    if abs(apart) > APART:
        how = f"{abs(apart).total_seconds():.0f} s {'ahead of' if apart > timedelta(0) else 'behind'}"
        raise Unavailable(
            f"this machine's clock is {how} the database's: let both follow a time server, then try again",
            code="clocks_apart",
        )
    return now
