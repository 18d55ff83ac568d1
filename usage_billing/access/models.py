"""The tables of API keys and of requests that came with a key of their own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, DateTime, Integer, LargeBinary, String, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_KEY_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Instant


class ApiKey(Base):
    """A service's credential. Only a keyed hash is stored; ``prefix`` finds the row and names the key to people."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "scopes <@ ARRAY['usage:write', 'usage:read', 'billing:run', 'admin']::varchar[]", name="scopes"
        ),
        CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
        CheckConstraint("length(hash) = 32", name="hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str] = mapped_column(String(MAX_KEY_NAME))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    rate_limit: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    last_used_at: Mapped[Instant | None]
    replaced_by: Mapped[UUID | None]


class AdminRequest(Base):
    """A request with an ``Idempotency-Key`` and its answer, kept for a day.

    ``digest`` stands for method, address and body. An answer that holds a secret is ``sealed``; its ``body`` is null
    once it was given again.
    """

    __tablename__ = "admin_requests"
    __table_args__ = (CheckConstraint("length(digest) = 32", name="digest"),)

    credential: Mapped[str] = mapped_column(String(160), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(Integer)
    content_type: Mapped[str] = mapped_column(String(128))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[Instant] = mapped_column(index=True)
