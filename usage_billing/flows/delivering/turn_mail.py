"""A customer turns one kind of mail off, or on again, by the link in one."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.mail.links import Refused
from usage_billing.mail.queries import refusals
from usage_billing.mail.service import refuse, want_again


def turn_off(session: Session, refused: Refused, *, now: datetime) -> None:
    """Send the customer no such mail from now on; twice changes nothing."""
    if refuse(session, refused.customer_id, refused.what):
        _note(session, refused, "turned_off", now=now)


def turn_on(session: Session, refused: Refused, *, now: datetime) -> None:
    """Send the customer such mail again; twice changes nothing."""
    if want_again(session, refused.customer_id, refused.what):
        _note(session, refused, "turned_on", now=now)


def is_off(session: Session, refused: Refused) -> bool:
    """Whether the customer gets no such mail."""
    return tuple(refused) in refusals(session, [refused.customer_id])


def _note(session: Session, refused: Refused, verb: str, *, now: datetime) -> None:
    actor, subject = f"customer:{refused.customer_id}", f"customer:{refused.customer_id}"
    note(session, actor=actor, action=f"mail.{verb}", subject=subject, at=now, what=refused.what)
