"""Invoice numbers: without a gap and without a double, however many transactions finalize at once."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from usage_billing.invoicing.models import InvoiceNumber

SERIES = "invoice"


def take_numbers(session: Session, count: int) -> range:
    """The next ``count`` numbers. The series stays locked until the transaction ends, so take them last.

    If the transaction is rolled back, the numbers were never taken: hence no gap. Raises RuntimeError without a series.
    """
    last = session.scalar(
        update(InvoiceNumber)
        .where(InvoiceNumber.series == SERIES)
        .values(last=InvoiceNumber.last + count)
        .returning(InvoiceNumber.last)
    )
    if last is None:
        raise RuntimeError("the series of invoice numbers is missing: was the database migrated?")
    return range(last - count + 1, last + 1)


def number_text(number: int | None) -> str | None:
    """How a number is shown, ``INV-00000001``; a draft has none."""
    return None if number is None else f"INV-{number:08d}"
