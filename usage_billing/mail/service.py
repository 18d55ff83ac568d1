"""Writes what mail remembers: the mails of an hour, and who wants none."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.mailboxes import mail_address
from usage_billing.mail.models import MailHour, MailRefusal

HOUR = timedelta(hours=1)
MOST_AN_HOUR = 20
"""Mails to one address in an hour; what comes beyond them goes out as one when the hour is over."""

EVERYTHING = "*"
_BACK = text("UPDATE mail_hours SET mails = greatest(mails - :mails, 0) WHERE address = :address")
_FORGET = text("DELETE FROM mail_hours WHERE began_at < :before")


def lock_hour(session: Session, address: str, *, now: datetime) -> MailHour:
    """The hour of an address, locked: the running one, or one that begins now."""
    session.execute(insert(MailHour).values(address=address, began_at=now, mails=0).on_conflict_do_nothing())
    statement = select(MailHour).where(MailHour.address == address).with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).one()
    if found.began_at + HOUR <= now:
        found.began_at, found.mails = now, 0
    return found


def give_places_back(session: Session, addresses: Sequence[str]) -> None:
    """Take back a mail of the running hour for each of these addresses, which may stand there more than once."""
    for address, mails in sorted(Counter(addresses).items()):
        session.execute(_BACK, {"address": address, "mails": mails})


def hour_key(recipient: str) -> str:
    """The address as its hour is kept under; what mail cannot be sent to shares one, and is never sent."""
    try:
        return mail_address(recipient).lower()
    except ValueError:
        return ""


def refuse(session: Session, customer_id: str, what: str) -> bool:
    """Remember that a customer wants no mail about ``what``; False where that is known."""
    row = insert(MailRefusal).values(customer_id=customer_id, what=what).on_conflict_do_nothing()
    return session.scalars(row.returning(MailRefusal.what)).first() is not None


def want_again(session: Session, customer_id: str, what: str) -> bool:
    """Forget that a customer wants no mail about ``what``; False where it was not known."""
    of = (MailRefusal.customer_id == customer_id, MailRefusal.what == what)
    return session.scalars(delete(MailRefusal).where(*of).returning(MailRefusal.what)).first() is not None


def forget_hours(session: Session, *, now: datetime) -> None:
    """Delete the hours of addresses that got no mail for a day."""
    session.execute(_FORGET, {"before": now - timedelta(days=1)})
