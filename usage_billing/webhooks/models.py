"""The tables of webhooks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

import usage_billing.outbox.models  # noqa: F401  the table of deliveries points to its table
from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_EMAIL, MAX_LANGUAGE, MAX_URL
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant
from usage_billing.webhooks.states import EndpointKind, EndpointStatus


class WebhookEndpoint(Base):
    """Whom to tell: of which types (None: all), about which customer (None: all), by which version.

    With ``ordered`` the events of a customer wait for each other. Every try has failed since ``failing_since``, and
    ``failed_tries`` did. Nothing is sent before ``paused_until``. It wants what it wants since ``chosen_at``.

    A webhook has a ``url``. Mail has ``recipients`` (None: the customer's own address), and a ``language`` for those
    who said none.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        CheckConstraint("(status = 'disabled') = (disabled_reason IS NOT NULL)", name="disabled"),
        CheckConstraint("disabled_reason IN ('by_hand', 'failing', 'gone')", name="disabled_reason"),
        CheckConstraint("cardinality(types) > 0", name="types"),
        CheckConstraint("rate_per_second > 0", name="rate"),
        CheckConstraint("kind IN ('webhook', 'email')", name="kind"),
        CheckConstraint(
            "CASE kind WHEN 'webhook' THEN url IS NOT NULL AND recipients IS NULL AND language IS NULL"
            " ELSE url IS NULL END",
            name="address",
        ),
        CheckConstraint("cardinality(recipients) > 0", name="recipients"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    url: Mapped[str | None] = mapped_column(String(MAX_URL))
    types: Mapped[list[str] | None] = mapped_column(ARRAY(String(64)))
    customer_id: Mapped[Identifier | None]
    version: Mapped[str] = mapped_column(String(16))
    ordered: Mapped[bool] = mapped_column(Boolean, server_default="false")
    rate_per_second: Mapped[int | None] = mapped_column(Integer)
    description: Mapped[str | None] = mapped_column(String(256))
    status: Mapped[str] = mapped_column(String(16), server_default=EndpointStatus.ACTIVE)
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    disabled_at: Mapped[Instant | None]
    failing_since: Mapped[Instant | None]
    failed_tries: Mapped[int] = mapped_column(BigInteger, server_default="0")
    paused_until: Mapped[Instant | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    kind: Mapped[str] = mapped_column(String(16), server_default=EndpointKind.WEBHOOK)
    recipients: Mapped[list[str] | None] = mapped_column(ARRAY(String(MAX_EMAIL)))
    language: Mapped[str | None] = mapped_column(String(MAX_LANGUAGE))
    chosen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def has_addresses(self) -> bool:
        """Whether it is told at addresses of its own, and not each customer at the customer's."""
        return self.kind == EndpointKind.WEBHOOK or self.recipients is not None


class WebhookSecret(Base):
    """A secret that an endpoint's deliveries are signed with, sealed; until ``ends_at``, None for ever."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index("ix_webhook_secrets_endpoint", "endpoint_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    endpoint_id: Mapped[Identifier] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant | None]


class WebhookDelivery(Base):
    """One event for one endpoint, once; of mail for each recipient, who is '' where it is the customer.

    ``leased_until`` is how long the worker that claimed it may take. ``customer_id`` and ``position`` are those of the
    event. ``replay_id`` names the replay that asked for it again. ``digest`` mails go out as one.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("uq_webhook_deliveries_recipient", "event_id", "endpoint_id", "recipient", unique=True),
        CheckConstraint("state IN ('waiting', 'sent', 'failed', 'held', 'dropped')", name="state"),
        Index("ix_webhook_deliveries_endpoint", "endpoint_id", "position"),
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "next_at",
            "position",
            postgresql_where=text("state = 'waiting' AND replay_id IS NULL"),
        ),
        Index(
            "ix_webhook_deliveries_replayed",
            "endpoint_id",
            "next_at",
            "position",
            postgresql_where=text("state = 'waiting' AND replay_id IS NOT NULL"),
        ),
        Index("ix_webhook_deliveries_created_at", "created_at"),
        Index(
            "ix_webhook_deliveries_order",
            "endpoint_id",
            "customer_id",
            "position",
            postgresql_where=text("state IN ('waiting', 'held')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("outbox_messages.id"))
    endpoint_id: Mapped[Identifier] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    customer_id: Mapped[Identifier | None]
    position: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[Instant]
    leased_until: Mapped[Instant | None]
    replay_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    recipient: Mapped[str] = mapped_column(String(MAX_EMAIL), server_default="")
    digest: Mapped[bool] = mapped_column(Boolean, server_default="false")


class WebhookAttempt(Base):
    """One try: what the endpoint answered, or why it did not. Of the answer 4 KiB are kept, for 30 days."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("ix_webhook_attempts_delivery", "delivery_id", "id"), Index("ix_webhook_attempts_at", "at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    at: Mapped[Instant]
    status: Mapped[int | None] = mapped_column(Integer)
    milliseconds: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(String(256))
    answer: Mapped[str | None] = mapped_column(Text)
