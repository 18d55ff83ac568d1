"""The tables of API keys and of requests that came with a key of their own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.access.bounds import Bounds
from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_KEY_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant


class ApiKey(Base):
    """A service's credential. Only a keyed hash is stored; ``prefix`` finds the row and names the key to people.

    ``number`` stands for it in the books. ``source``, ``usage_types`` and ``user_ids`` are what it is bound to, if
    anything.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "scopes <@ ARRAY['usage:write', 'usage:read', 'billing:run', 'admin', 'portal:open',"
            " 'wallets:write', 'webhooks:manage']::varchar[]",
            name="scopes",
        ),
        CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
        CheckConstraint("length(hash) = 32", name="hash"),
        CheckConstraint(
            "num_nonnulls(source, usage_types, user_ids) = 0 OR scopes = ARRAY['usage:write']::varchar[]", name="bound"
        ),
        CheckConstraint("cardinality(usage_types) > 0 AND cardinality(user_ids) > 0", name="bound_to_some"),
        UniqueConstraint("number"),
        Index(
            "uq_api_keys_source",
            "source",
            unique=True,
            postgresql_where=text("revoked_at IS NULL AND replaced_by IS NULL"),
        ),
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
    number: Mapped[int] = mapped_column(Integer, Identity(always=True))
    source: Mapped[Identifier | None]
    usage_types: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    user_ids: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))

    @property
    def bounds(self) -> Bounds:
        """What it may record, if not everything."""
        return Bounds(
            source=self.source,
            usage_types=None if self.usage_types is None else frozenset(self.usage_types),
            user_ids=None if self.user_ids is None else frozenset(self.user_ids),
        )


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
