"""The tables of sessions: of customers on their pages, and of operators on the admin pages."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, LargeBinary, String, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_LANGUAGE, MAX_URL
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant

IDLE = timedelta(hours=1)
"""An operator's session that was not used for so long is over."""


class PortalSession(Base):
    """A customer's look at its pages, until ``expires_at`` or ``ended_at``.

    A code opens it once, until ``code_until``; the browser that did so has a cookie from then on. ``pages`` are those
    that it may see, None for all. ``locale`` and ``timezone`` go before the customer's own.
    """

    __tablename__ = "portal_sessions"
    __table_args__ = (
        CheckConstraint("length(code_hash) = 32", name="code_hash"),
        CheckConstraint("length(cookie_hash) = 32", name="cookie_hash"),
        CheckConstraint("(cookie_hash IS NULL) = (opened_at IS NULL)", name="opened"),
        CheckConstraint("cardinality(pages) > 0", name="some_page"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    code_until: Mapped[Instant]
    cookie_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    opened_at: Mapped[Instant | None]
    expires_at: Mapped[Instant] = mapped_column(index=True)
    ended_at: Mapped[Instant | None]
    pages: Mapped[list[str] | None] = mapped_column(ARRAY(String(32)))
    locale: Mapped[str | None] = mapped_column(String(MAX_LANGUAGE))
    timezone: Mapped[str | None] = mapped_column(String(64))
    return_url: Mapped[str | None] = mapped_column(String(MAX_URL))
    refresh_url: Mapped[str | None] = mapped_column(String(MAX_URL))
    made_by: Mapped[str] = mapped_column(String(160))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def holds(self, now: datetime) -> bool:
        """Whether it may still be looked at ``now``."""
        return self.ended_at is None and now < self.expires_at


class OperatorSession(Base):
    """An operator's look at the admin pages, as ``actor``, until ``expires_at`` or ``ended_at``, or an idle hour.

    A credential opens it at once, or a code does, once, until ``code_until``; the browser that did so has a cookie
    from then on. With ``key_id`` it holds for no longer than that key does.
    """

    __tablename__ = "operator_sessions"
    __table_args__ = (
        CheckConstraint("length(code_hash) = 32", name="code_hash"),
        CheckConstraint("length(cookie_hash) = 32", name="cookie_hash"),
        CheckConstraint("(code_hash IS NULL) = (code_until IS NULL)", name="code"),
        CheckConstraint(
            "(cookie_hash IS NULL) = (opened_at IS NULL) AND (cookie_hash IS NULL) = (seen_at IS NULL)", name="opened"
        ),
        CheckConstraint("num_nonnulls(code_hash, cookie_hash) > 0", name="way_in"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor: Mapped[str] = mapped_column(String(160))
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"))
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    code_until: Mapped[Instant | None]
    cookie_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    opened_at: Mapped[Instant | None]
    seen_at: Mapped[Instant | None]
    expires_at: Mapped[Instant] = mapped_column(index=True)
    ended_at: Mapped[Instant | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def holds(self, now: datetime) -> bool:
        """Whether pages may be looked at by it ``now``; what its key says is not looked at here."""
        return (
            self.ended_at is None and now < self.expires_at and self.seen_at is not None and now < self.seen_at + IDLE
        )
