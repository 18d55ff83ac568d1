"""Base fees: what is due for each segment, and what was charged for it."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from iso4217 import Currency
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.reports.verify.calendar import part
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.ledger import Ledger
from usage_billing.reports.verify.terms import Catalogue, fee_shares, load_agreements

_PAGE = 2_000
_FEES = text(
    """
    SELECT f.*, f.to_charge OR coalesce(a.opens_at <= f.period_start, false) AS is_stale
    FROM fee_charges AS f
    JOIN subscriptions AS a ON a.id = f.subscription_id
    WHERE f.id > :after AND (CAST(:only AS text) IS NULL OR f.subscription_id = :only)
    ORDER BY f.id LIMIT :size
    """
)
_ITEMS = text(
    """
    SELECT t.*, i.status, i.subscription_id FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
    WHERE t.fee_id = ANY(CAST(:ids AS bigint[])) ORDER BY t.fee_id, i.number NULLS LAST, t.id
    """
)


def fee_differences(session: Session, only: str | None, catalogue: Catalogue) -> Iterator[Difference]:
    """What is wrong with fees and with the items that charge them."""
    after = 0
    while page := session.execute(_FEES, {"after": after, "only": only, "size": _PAGE}).all():
        yield from _amounts(session, page, catalogue)
        yield from _charges(session, page)
        after = page[-1].id


def _amounts(session: Session, fees: Sequence[Any], catalogue: Catalogue) -> Iterator[Difference]:
    agreements = load_agreements(session, {fee.subscription_id for fee in fees})
    for fee in fees:
        found = catalogue.fee_segment(agreements[fee.subscription_id], fee.subscription_id, fee.period_start)
        segment, version = found or (None, None)
        if segment is None or segment.start != fee.period_start or version is None or version.base_fee is None:
            continue
        if fee.is_stale or fee.frozen:
            continue
        places: int = Currency(segment.plan.currency).exponent or 0
        first, last = fee_shares(agreements[fee.subscription_id], segment)
        should = part(version.base_fee, first, last, places=places)
        if (fee.amount, fee.period_end) != (should, segment.end):
            message = f"it is {plain(fee.amount)} until {fee.period_end}, not {plain(should)} until {segment.end}"
            yield Difference("fee_amount", f"fee:{fee.id}", message)


def _charges(session: Session, fees: Sequence[Any]) -> Iterator[Difference]:
    items = session.execute(_ITEMS, {"ids": [fee.id for fee in fees]}).all()
    charged = {id: list(group) for id, group in groupby(items, key=lambda item: item.fee_id)}
    for fee in fees:
        ledger = Ledger(stale=fee.is_stale)
        for item in charged.get(fee.id, ()):
            # The books do not keep what was due when the item was written, so only ``charged_before`` is compared.
            yield from ledger.enter(item, billable=None, due=None)
            if (item.subscription_id, item.period_start) != (fee.subscription_id, fee.period_start):
                yield Difference("item_owner", f"item:{item.id}", "its subscription or period is not its fee's")
        yield from ledger.close(f"fee:{fee.id}", fee.amount)
