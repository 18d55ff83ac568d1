"""Invoices in lists: as the API shows them, without their items."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from usage_billing.core.limits import MAX_ITEMS
from usage_billing.db.keyset import page_of
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.reports.invoices import InvoiceView, invoice_views
from usage_billing.wire.noun import Shape
from web.admin.desk import Desk
from web.shapes import invoice_shape

# Drafts whose items are read at once, for their tax is reckoned from these.
_AT_A_TIME = 10
_FEW = 10


def without_items(session: Session, invoices: Sequence[Invoice]) -> list[InvoiceView]:
    """These invoices in order. Only of drafts the items are read, and let go again."""
    drafts = [one for one in invoices if one.status == InvoiceStatus.DRAFT]
    taxed: dict[UUID, InvoiceView] = {}
    for start in range(0, len(drafts), _AT_A_TIME):
        views = invoice_views(session, drafts[start : start + _AT_A_TIME], items=MAX_ITEMS)
        taxed |= {view.invoice.id: replace(view, items=()) for view in views}
    return [taxed.get(one.id) or InvoiceView(invoice=one, items=()) for one in invoices]


def last_invoices(desk: Desk, statement: Select[Any]) -> list[Shape]:
    """The drafts and the newest invoices of a list, ten together."""
    by = [Invoice.place, Invoice.id]
    page = page_of(desk.session, statement, by=by, after=None, limit=_FEW, newest_first=True)
    return [invoice_shape(view, desk.now) for view in without_items(desk.session, page.rows)]
