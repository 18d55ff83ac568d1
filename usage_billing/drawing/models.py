"""The table of what grants in money paid of invoices."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Money, Rate


class PrepaidItem(Base):
    """What a grant of a wallet in money paid of a summary's charge or a fee on a final invoice; below 0: gave back.

    Over all final invoices that stand, those of one cause and grant add up to what is posted of it. It is taxed as its
    cause is, which lowers the base.
    """

    __tablename__ = "invoice_prepaid"
    __table_args__ = (
        CheckConstraint("num_nonnulls(summary_id, fee_id) = 1", name="cause"),
        CheckConstraint("amount <> 0", name="amount"),
        UniqueConstraint(
            "invoice_id",
            "grant_id",
            "summary_id",
            "fee_id",
            name="uq_invoice_prepaid_cause",
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_invoice_prepaid_summary", "summary_id", postgresql_where=text("summary_id IS NOT NULL")),
        Index("ix_invoice_prepaid_fee", "fee_id", postgresql_where=text("fee_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"))
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_grants.id"))
    summary_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"))
    fee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("fee_charges.id"))
    amount: Mapped[Money]
    tax_category: Mapped[str | None] = mapped_column(String(2))
    tax_country: Mapped[str | None] = mapped_column(String(2))
    tax_rate: Mapped[Rate | None]
