"""The table of documents."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Integer, LargeBinary, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Instant


class DocumentKind(StrEnum):
    """What is kept of an invoice."""

    PDF = "pdf"


class DocumentRequest(Base):
    """A PDF that is to be made; with three ``attempts`` and an ``error`` it is tried no more."""

    __tablename__ = "document_requests"
    __table_args__ = (Index("ix_document_requests_asked", "asked_at", "invoice_id"),)

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    tried_at: Mapped[Instant | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)


class InvoiceDocument(Base):
    """A document of a final invoice: made once, never changed (a trigger refuses), with its SHA-256."""

    __tablename__ = "invoice_documents"
    __table_args__ = (
        CheckConstraint("kind IN ('pdf')", name="kind"),
        CheckConstraint("sha256 = sha256(content)", name="sha256"),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    template_version: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
