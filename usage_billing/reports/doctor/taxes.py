"""A check of tax: which of the invoices that are due the longest wait as drafts because their tax is not known."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.reports.doctor.finding import WARN, Finding, fine, listed

_MOST = 1000
"""Drafts that are looked at, the oldest first."""


def check_taxes(session: Session, *, now: datetime) -> Iterator[Finding]:
    """What is wrong with tax; nothing is said where none is reckoned."""
    # Late: a worker that starts looks at its inbox by this room, and needs no invoices for it.
    from usage_billing.invoicing.taxable import by_rules
    from usage_billing.invoicing.taxing import tax_due

    drafts, taxations = tax_due(session, now, at_most=_MOST)
    if not by_rules(taxations.seller):
        return
    waiting: dict[str, list[str]] = {}
    for draft in drafts:
        taxation = taxations.of(draft.id)
        if taxation is not None and taxation.pending is not None:
            waiting.setdefault(taxation.pending, []).append(draft.customer_id)
    if not waiting:
        known = "the tax of every invoice that is due is known"
        if len(drafts) == _MOST:
            known = f"the tax of the {_MOST:,} invoices that are due the longest is known"
        yield fine("taxes", known)
        return
    what = [f"{len(customers)} ({customers[0]}): {reason}" for reason, customers in waiting.items()]
    yield Finding(
        "taxes",
        WARN,
        "tax_pending",
        f"invoices wait as drafts, for their tax is not known: {listed(what)}",
        "usage-billing customers change ID (--country, --tax-id, --tax-exempt) or usage-billing taxes import FILE; the"
        " next run makes them final",
    )
