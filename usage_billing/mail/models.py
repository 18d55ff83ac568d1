"""The tables of mail."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, Integer, String, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.limits import MAX_EMAIL
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant

MAX_WHAT = 200


class MailHour(Base):
    """How many mails an address got in the hour that began at ``began_at``, whatever they were about."""

    __tablename__ = "mail_hours"
    __table_args__ = (CheckConstraint("mails >= 0", name="mails"),)

    address: Mapped[str] = mapped_column(String(MAX_EMAIL, collation="C"), primary_key=True)
    began_at: Mapped[Instant]
    mails: Mapped[int] = mapped_column(Integer)


class MailRefusal(Base):
    """That a customer wants no mail about ``what``: a type of events, ``alert:`` and a rule, or ``*`` for all."""

    __tablename__ = "mail_refusals"

    customer_id: Mapped[Identifier] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(MAX_WHAT), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
