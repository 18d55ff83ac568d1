"""The table of what was proven."""

from decimal import Decimal

from sqlalchemy import BigInteger, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base


class ProvenSummary(Base):
    """The sum of the keyed hashes of all rows on which a summary's proof rested when nothing differed.

    The row of the summary 0 is of what concerns all: plans, quotas and definitions. That of the least number is a keyed
    hash of all others, so that none of them can be put back to what it was.
    """

    __tablename__ = "proven_summaries"

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[Decimal] = mapped_column(Numeric)
