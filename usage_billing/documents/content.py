"""What the document of an invoice says, in its order: texts that a page or a PDF only has to lay out. Pure.

Every figure is that of ``wire``, with its thousands separated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT
from usage_billing.invoicing.wording import days_of, days_text, grouped
from usage_billing.wire.noun import Shape

LANGUAGE = "en"
"""The language of every document."""

_REASONS = {
    "AE": "Reverse charge: the customer owes the tax.",
    "G": "Not taxed: supplied to another country.",
    "E": "Exempt from tax.",
    "O": "Not subject to tax.",
}
"""Why a category has no tax, as its invoice has to say."""

_KINDS = {"period": "Invoice", "change": "Invoice of a change", "correction": "Correction", "purchase": "Purchase"}

Facts = tuple[tuple[str, str], ...]
"""Names and what they are, such as ("To be paid until", "1 April 2026")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An item: what it is, and its figures as text; each but ``amount`` is empty where there is none."""

    what: str
    quantity: str
    price: str
    amount: str
    tax: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a document says. ``notice`` tells that an invoice is no invoice yet. ``due`` is what is to be paid.

    The first line of ``seller`` and of ``buyer`` is a name. Where ``taxed``, lines have their rates, and ``notes`` say
    why some have none.
    """

    title: str
    notice: str
    seller: tuple[str, ...]
    seller_facts: Facts
    buyer: tuple[str, ...]
    facts: Facts
    currency: str
    lines: tuple[Line, ...]
    taxed: bool
    sums: Facts
    due: tuple[str, str]
    notes: tuple[str, ...]
    closing: str
    payment: Facts
    final_at: datetime


def content_of(invoice: Shape, *, zone: str = "UTC") -> Content:
    """What the document of an invoice says, as ``wire`` shows it with its seller and buyer; days are those of ``zone``.

    It says what was when the invoice became final: not whether it was paid or taken back since.
    """
    seller, buyer = invoice["seller"] or {}, invoice["buyer"] or {}
    draft = invoice["number"] is None
    taxes, applied = invoice.get("taxes"), invoice["creditApplied"]
    total = invoice["total"] if taxes is None else invoice["totalWithTax"]
    due = _to_pay(total, applied)
    sums = [*_tax_sums(invoice["total"], taxes or ()), ("Total", grouped(total))]
    if _is_money(applied):
        sums.append(("Credit applied", f"-{grouped(applied)}"))
    return Content(
        title=f"{_KINDS[invoice['kind']]} {invoice['number'] or '(draft)'}",
        notice=_notice(invoice) if draft else "",
        seller=_lines(seller),
        seller_facts=_facts({"Tax id": seller.get("taxId"), "E-mail": seller.get("email")}),
        buyer=_lines(buyer) or (invoice["userId"],),
        facts=_dates(invoice, buyer, zone),
        currency=invoice["currency"],
        lines=tuple(_line(item) for item in invoice["items"]),
        taxed=taxes is not None,
        sums=tuple(sums),
        due=("Amount due", grouped(due)),
        notes=tuple(_REASONS[line["category"]] for line in taxes or () if line["category"] in _REASONS),
        closing=_closing(total),
        payment=_payment(invoice, seller, due),
        final_at=datetime.fromisoformat(invoice["finalizedAt"] or invoice["periodEnd"]),
    )


def day_text(instant: str | None, zone: str) -> str | None:
    """The day of an instant in ``zone``; None of none."""
    if instant is None:
        return None
    moment = datetime.fromisoformat(instant)
    return days_text(days_of(moment, moment, zone))


def _dates(invoice: Shape, buyer: Mapping[str, Any], zone: str) -> Facts:
    days = days_of(datetime.fromisoformat(invoice["periodStart"]), datetime.fromisoformat(invoice["periodEnd"]), zone)
    return _facts(
        {
            "Date": day_text(invoice["finalizedAt"], zone),
            "Period": days_text(days),
            "To be paid until": day_text(invoice["dueAt"], zone),
            "Customer": invoice["userId"],
            "Subscription": invoice["subscriptionId"],
            "Your reference": buyer.get("buyerReference"),
            "Your tax id": buyer.get("taxId"),
        }
    )


def _line(item: Shape) -> Line:
    price = item["unitPrice"]
    return Line(
        what=item["description"],
        quantity="" if item["kind"] == "fee" else grouped(item["quantity"]),
        price="" if price is None else grouped(price),
        amount=grouped(item["amount"]),
        tax=f"{item['taxRate']}\u00a0%" if item.get("taxRate") else "",
    )


def _notice(invoice: Shape) -> str:
    notice = "Draft: this is no invoice, and can still change."
    pending = invoice.get("taxPending")
    return f"{notice} Its tax is not known yet: {pending}." if pending else notice


def _tax_sums(total: str, taxes: Sequence[Shape]) -> Facts:
    """The total without tax and each tax, where there is any."""
    lines = [(f"Tax {line['rate']}\u00a0% of {grouped(line['base'])}", grouped(line["amount"])) for line in taxes]
    return (("Without tax", grouped(total)), *lines) if lines else ()


def _lines(party: Mapping[str, Any]) -> tuple[str, ...]:
    """A party's name and address, a line each."""
    if not party:
        return ()
    at = party["address"] or {}
    place = " ".join(part for part in (at.get("postalCode"), at.get("city")) if part)
    found = (party["legalName"] or party["name"], at.get("line1"), at.get("line2"), place, at.get("country"))
    return tuple(line for line in found if line)


def _payment(invoice: Shape, seller: Mapping[str, Any], due: str) -> Facts:
    if invoice["number"] is None or not _is_money(due):
        return ()
    return _facts({"Account (IBAN)": _in_fours(seller.get("iban")), "Reference": invoice["number"]})


def _closing(total: str) -> str:
    return "The total is credit, and is used for the next invoices." if total.startswith("-") else ""


def _to_pay(total: str, applied: str) -> str:
    """What was to be paid when the invoice became final, with the places of its currency."""
    left = EXACT.subtract(max(Decimal(total), Decimal(0)), Decimal(applied))
    return f"{left.quantize(Decimal(total), context=EXACT):f}"


def _is_money(amount: str) -> bool:
    return bool(amount.strip("-0."))


def _in_fours(iban: str | None) -> str | None:
    return None if iban is None else " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _facts(found: Mapping[str, str | None]) -> Facts:
    return tuple((name, fact) for name, fact in found.items() if fact)
