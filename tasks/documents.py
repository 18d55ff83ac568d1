"""Makes the PDFs of invoices."""

from datetime import timedelta
from uuid import UUID

from tasks import base
from tasks.celery import app
from usage_billing.core.errors import NotFound
from usage_billing.flows.documents.drive_ahead import make_one
from usage_billing.flows.documents.drive_ahead import make_waiting as make_those_that_wait

# Shorter than the 5 s after which beat sends the next: so one process makes documents, and the others do the rest.
_TURN = timedelta(seconds=4)


@app.task(name="documents.make")
def make(invoice_id: str) -> None:
    """Make the PDF of a final invoice and keep it, unless it is kept already."""
    try:
        make_one(base.engine(), UUID(invoice_id), layout=base.layout())
    except NotFound:
        return  # a draft that went since it was asked for


@app.task(name="documents.make_waiting")
def make_waiting() -> None:
    """Make PDFs of invoices that became final, the oldest first, until none waits or the turn is over."""
    make_those_that_wait(base.engine(), turn=_TURN, layout=base.layout(), stopping=base.stopping)
