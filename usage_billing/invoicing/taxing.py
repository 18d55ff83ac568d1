"""Reckons the tax of drafts: by the parties and rates of now, and what is put right by how it was taxed before.

Drafts that are shown, what is upcoming, rehearsals and what becomes final are taxed here alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.customers.models import SellerVersion
from usage_billing.customers.queries import find_seller
from usage_billing.db.rows import read_rows
from usage_billing.db.session import once_while_agreed
from usage_billing.invoicing.builder import ItemKind
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.prepaid import PrepaidLines, taxable_prepaid
from usage_billing.invoicing.taxable import TaxableItem, Taxation, Taxations, TaxedDraft, by_rules, last_day
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.tax.categories import TaxCategory, TaxedParty, TaxUnknown, treat
from usage_billing.rating.tax.sums import ItemTax, item_tax, tax_lines
from usage_billing.taxes.queries import RateBook, read_rates

_NOTHING = Decimal(0)


_ITEMS = text("""
    SELECT t.id, t.invoice_id, t.kind, t.amount, t.period_end, t.summary_id, t.fee_id, t.purchase_id, t.usage_type_id,
        f.plan_id,
        coalesce(s.timezone, 'UTC') AS zone
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    LEFT JOIN subscriptions AS s ON s.id = i.subscription_id
    LEFT JOIN fee_charges AS f ON f.id = t.fee_id
    WHERE t.invoice_id = ANY(CAST(:ids AS uuid[])) AND t.amount <> 0
        AND (:by_rules OR t.kind = 'adjustment')
    ORDER BY t.period_start, t.usage_type_id, t.id
""")
_BUYERS = """
    SELECT id, address ->> 'country' AS country, tax_id, tax_exempt
    FROM customers
    WHERE id = ANY(CAST(:ids AS text[]))
    ORDER BY id
"""
_CATEGORIES = text("""
    SELECT 'usage' AS kind, id, tax_category FROM usage_types WHERE id = ANY(CAST(:types AS text[]))
    UNION ALL
    SELECT 'fee', id, tax_category FROM plans WHERE id = ANY(CAST(:plans AS text[]))
    UNION ALL
    SELECT 'purchase', id::text, tax_category FROM purchase_charges WHERE id = ANY(CAST(:purchases AS bigint[]))
""")
# Of each cause how the latest final invoice that stands taxed it: null where that has no tax. What came to nothing
# was not taxed at all.
_BEFORE = text("""
    SELECT DISTINCT ON (t.summary_id, t.fee_id, t.purchase_id) t.summary_id, t.fee_id, t.purchase_id, t.tax_category,
        t.tax_country, t.tax_rate
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    WHERE (t.summary_id = ANY(CAST(:summaries AS bigint[])) OR t.fee_id = ANY(CAST(:fees AS bigint[]))
            OR t.purchase_id = ANY(CAST(:purchases AS bigint[])))
        AND t.amount <> 0 AND i.status NOT IN ('draft', 'void')
    ORDER BY t.summary_id, t.fee_id, t.purchase_id, i.number DESC
""")

_Cause = tuple[int | None, int | None, int | None]


def tax_stored(
    session: Session, drafts: Sequence[TaxedDraft], *, prepaid: PrepaidLines | None = None, lock: bool = False
) -> Taxations:
    """The tax of stored drafts, of what ``prepaid`` leaves of them.

    With ``lock`` their customers stay as they are until the transaction ends.
    """
    seller = find_seller(session)
    if not drafts or seller is None:
        return Taxations(seller)
    rows = session.execute(_ITEMS, {"ids": [draft.id for draft in drafts], "by_rules": by_rules(seller)})
    items = read_rows(rows, TaxableItem)
    return tax_drafts(session, drafts, [*items, *taxable_prepaid(items, prepaid or {})], seller=seller, lock=lock)


def tax_due(session: Session, now: datetime, *, at_most: int) -> tuple[Sequence[Invoice], Taxations]:
    """The drafts that are due at ``now``, the oldest first, with their tax."""
    due = select(Invoice).where(Invoice.status == InvoiceStatus.DRAFT, Invoice.closes_at <= now)
    drafts = session.scalars(due.order_by(Invoice.closes_at, Invoice.id).limit(at_most)).all()
    return drafts, tax_stored(session, drafts)


def tax_drafts(
    session: Session,
    drafts: Sequence[TaxedDraft],
    items: Sequence[TaxableItem],
    *,
    seller: SellerVersion | None,
    lock: bool = False,
) -> Taxations:
    """The tax of ``drafts`` with these items; without rules, of those that put right what was taxed."""
    if seller is None:
        return Taxations(seller)
    before = _before(session, items)
    by_draft: dict[UUID, list[TaxableItem]] = {}
    for item in items:
        by_draft.setdefault(item.invoice_id, []).append(item)
    if not by_rules(seller):
        taxed_before = partial(_as_before, before)
        kept = {draft.id: _taxation(by_draft.get(draft.id, ()), taxed_before, draft.currency) for draft in drafts}
        return Taxations(seller, {id: taxation for id, taxation in kept.items() if taxation.items})
    buyers = _buyers(session, {draft.customer_id for draft in drafts}, lock=lock)
    at = TaxedParty(country=seller.said["address"]["country"], tax_id=seller.said["taxId"])
    countries = {party.country for party in (at, *buyers.values()) if party.country is not None}
    key = ("rates", frozenset(countries))
    rates = once_while_agreed(session, key, lambda: read_rates(session, countries))
    rules = _Rules(at, rates, _categories(session, items), before)
    return Taxations(
        seller,
        {
            draft.id: _taxation(
                by_draft.get(draft.id, ()), partial(rules.tax, buyer=buyers[draft.customer_id]), draft.currency
            )
            for draft in drafts
        },
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    seller: TaxedParty
    rates: RateBook
    categories: Mapping[tuple[str, str], str]
    before: Mapping[_Cause, ItemTax | None]

    def tax(self, item: TaxableItem, *, buyer: TaxedParty) -> ItemTax | None:
        """How an item is taxed; None where what it puts right was charged without tax. Raises TaxUnknown."""
        cause = _cause(item)
        if item.kind == ItemKind.ADJUSTMENT and cause in self.before:
            return self.before[cause]
        category = TaxCategory(self.categories.get(_named(item), TaxCategory.STANDARD))
        found = treat(category, seller=self.seller, buyer=buyer)
        if found.country is None:
            return item_tax(found.category, None, _NOTHING)
        day = last_day(item.period_end, item.zone)
        rate = self.rates.rate_on(day, country=found.country, category=found.category)
        if rate is None:
            raise TaxUnknown(f"no rate of {found.country} for {found.category} holds on {day}")
        return item_tax(found.category, found.country, rate)


def _as_before(before: Mapping[_Cause, ItemTax | None], item: TaxableItem) -> ItemTax | None:
    """The tax of what puts right what was taxed; anything else has none."""
    return before.get(_cause(item)) if item.kind == ItemKind.ADJUSTMENT else None


def _cause(item: Any) -> _Cause:
    return item.summary_id, item.fee_id, item.purchase_id


def _named(item: TaxableItem) -> tuple[str, str]:
    """What says the category of an item: a usage type, a plan or a purchase."""
    if item.usage_type_id is not None:
        return "usage", item.usage_type_id
    return ("fee", item.plan_id or "") if item.purchase_id is None else ("purchase", str(item.purchase_id))


def _taxation(items: Iterable[TaxableItem], tax_of: Callable[[TaxableItem], ItemTax | None], currency: str) -> Taxation:
    taxed: dict[UUID, ItemTax] = {}
    amounts: list[tuple[ItemTax, Decimal]] = []
    for item in items:
        if not item.amount:
            continue
        try:
            tax = tax_of(item)
        except TaxUnknown as unknown:
            return Taxation(pending=str(unknown))
        if tax is not None:
            taxed[item.id] = tax
            amounts.append((tax, item.amount))
    return Taxation(tax_lines(amounts, digits=minor_unit(currency)), taxed)


def _buyers(session: Session, ids: Iterable[str], *, lock: bool) -> dict[str, TaxedParty]:
    wanted = frozenset(ids)

    def read() -> dict[str, TaxedParty]:
        statement = text(f"{_BUYERS} FOR SHARE" if lock else _BUYERS)
        return {
            row.id: TaxedParty(country=row.country, tax_id=row.tax_id, exempt=row.tax_exempt)
            for row in session.execute(statement, {"ids": sorted(wanted)})
        }

    return read() if lock else once_while_agreed(session, ("buyers", wanted), read)


def _categories(session: Session, items: Sequence[TaxableItem]) -> dict[tuple[str, str], str]:
    types = {item.usage_type_id for item in items if item.usage_type_id is not None}
    plans = {item.plan_id for item in items if item.plan_id is not None}
    purchases = {item.purchase_id for item in items if item.purchase_id is not None}
    asked = {"types": list(types), "plans": list(plans), "purchases": list(purchases)}
    key = ("tax categories", frozenset(types), frozenset(plans), frozenset(purchases))
    return once_while_agreed(
        session,
        key,
        lambda: {(row.kind, row.id): row.tax_category for row in session.execute(_CATEGORIES, asked)},
    )


def _before(session: Session, items: Sequence[TaxableItem]) -> dict[_Cause, ItemTax | None]:
    adjusted = [item for item in items if item.kind == ItemKind.ADJUSTMENT]
    if not adjusted:
        return {}
    asked: dict[str, Any] = {
        "summaries": [item.summary_id for item in adjusted if item.summary_id is not None],
        "fees": [item.fee_id for item in adjusted if item.fee_id is not None],
        "purchases": [item.purchase_id for item in adjusted if item.purchase_id is not None],
    }
    key = ("taxed before", *map(frozenset, asked.values()))
    return once_while_agreed(
        session,
        key,
        lambda: {
            _cause(row): None
            if row.tax_category is None
            else ItemTax(category=row.tax_category, country=row.tax_country, rate=row.tax_rate)
            for row in session.execute(_BEFORE, asked)
        },
    )
