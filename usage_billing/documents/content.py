"""What the document of an invoice says, in its order: texts that a page or a PDF only has to lay out. Pure.

Every figure is that of ``wire``, with its thousands separated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT
from usage_billing.documents.languages import Language, language
from usage_billing.invoicing.wording import days_of, sentence
from usage_billing.wire.noun import Shape

_REASONS = {
    "AE": "Reverse charge: the customer owes the tax.",
    "G": "Not taxed: supplied to another country.",
    "E": "Exempt from tax.",
    "O": "Not subject to tax.",
}
"""Why a category has no tax, as its invoice has to say."""

_CREDIT = "The total is credit, and is used for the next invoices."
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
    why some have none. All is in ``language``, with the heads of ``columns``.
    """

    language: str
    columns: tuple[str, ...]

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
    page: tuple[str, str]
    final_at: datetime


def content_of(invoice: Shape, *, zone: str = "UTC") -> Content:
    """What the document of an invoice says, as ``wire`` shows it with its seller and buyer; days are those of ``zone``.

    It says what was when the invoice became final: not whether it was paid or taken back since. It is in the language
    of the buyer, else the seller's, else English.
    """
    seller, buyer = invoice["seller"] or {}, invoice["buyer"] or {}
    said = language_of(invoice)
    draft = invoice["number"] is None
    taxes, applied = invoice.get("taxes"), invoice["creditApplied"]
    total = invoice["total"] if taxes is None else invoice["totalWithTax"]
    prepaid = invoice["prepaidApplied"]
    due = _to_pay(total, prepaid, applied)
    sums = [*_tax_sums(invoice["total"], taxes or (), said), (said.text("Total"), said.number(total))]
    if _is_money(prepaid):
        sums.append((said.text("Paid from prepaid credit"), said.number(_negative(prepaid))))
    if _is_money(applied):
        sums.append((said.text("Credit applied"), said.number(f"-{applied}")))
    tax = (said.text("Tax"),) if taxes is not None else ()
    heads = (said.text("What"), said.text("Quantity"), said.text("Unit price"), *tax)
    return Content(
        language=said.code,
        columns=(*heads, said.text("Amount {}").format(invoice["currency"])),
        title=f"{said.text(_KINDS[invoice['kind']])} {invoice['number'] or said.text('(draft)')}",
        notice=_notice(invoice, said) if draft else "",
        seller=_lines(seller, said),
        seller_facts=_facts({"Tax id": seller.get("taxId"), "E-mail": seller.get("email")}, said),
        buyer=_lines(buyer, said) or (invoice["userId"],),
        facts=_dates(invoice, buyer, zone, said),
        currency=invoice["currency"],
        lines=tuple(_line(item, said) for item in invoice["items"]),
        taxed=taxes is not None,
        sums=tuple(sums),
        due=(said.text("Amount due"), said.number(due)),
        notes=tuple(said.text(_REASONS[line["category"]]) for line in taxes or () if line["category"] in _REASONS),
        closing=said.text(_CREDIT) if Decimal(total) < Decimal(prepaid) else "",
        payment=_payment(invoice, seller, due, said),
        page=(said.text("Page"), said.text("of")),
        final_at=datetime.fromisoformat(invoice["finalizedAt"] or invoice["periodEnd"]),
    )


def language_of(invoice: Shape) -> Language:
    """The language of the documents of an invoice."""
    seller, buyer = invoice["seller"] or {}, invoice["buyer"] or {}
    return language(buyer.get("language") or seller.get("language"))


def day_text(instant: str | None, zone: str, said: Language) -> str | None:
    """The day of an instant in ``zone``; None of none."""
    if instant is None:
        return None
    moment = datetime.fromisoformat(instant)
    return said.days(days_of(moment, moment, zone))


def _dates(invoice: Shape, buyer: Mapping[str, Any], zone: str, said: Language) -> Facts:
    days = days_of(datetime.fromisoformat(invoice["periodStart"]), datetime.fromisoformat(invoice["periodEnd"]), zone)
    return _facts(
        {
            "Date": day_text(invoice["finalizedAt"], zone, said),
            "Period": said.days(days),
            "To be paid until": day_text(invoice["dueAt"], zone, said),
            "Customer": invoice["userId"],
            "Subscription": invoice["subscriptionId"],
            "Your reference": buyer.get("buyerReference"),
            "Your tax id": buyer.get("taxId"),
        },
        said,
    )


def _line(item: Shape, said: Language) -> Line:
    price, key = item["unitPrice"], item["textKey"]
    return Line(
        what=item["description"] if key is None else sentence(key, item["textArgs"], said),
        quantity="" if item["kind"] == "fee" else said.number(item["quantity"]),
        price="" if price is None else said.number(price),
        amount=said.number(item["amount"]),
        tax=_per_cent(item["taxRate"], said) if item.get("taxRate") else "",
    )


def _per_cent(rate: str, said: Language) -> str:
    return f"{said.number(rate)}\u00a0%"


def _notice(invoice: Shape, said: Language) -> str:
    notice = said.text("Draft: this is no invoice, and can still change.")
    return f"{notice} {said.text('Its tax is not known yet.')}" if invoice.get("taxPending") else notice


def _tax_sums(total: str, taxes: Sequence[Shape], said: Language) -> Facts:
    """The total without tax and each tax, where there is any."""
    pattern = said.text("Tax {} of {}")
    lines = [
        (pattern.format(_per_cent(line["rate"], said), said.number(line["base"])), said.number(line["amount"]))
        for line in taxes
    ]
    return ((said.text("Without tax"), said.number(total)), *lines) if lines else ()


def _lines(party: Mapping[str, Any], said: Language) -> tuple[str, ...]:
    """A party's name and address, a line each."""
    if not party:
        return ()
    at = party["address"] or {}
    country = said.country(at["country"]) if at else None
    place = " ".join(part for part in (at.get("postalCode"), at.get("city")) if part)
    found = (party["legalName"] or party["name"], at.get("line1"), at.get("line2"), place, country)
    return tuple(line for line in found if line)


def _payment(invoice: Shape, seller: Mapping[str, Any], due: str, said: Language) -> Facts:
    if invoice["number"] is None or not _is_money(due):
        return ()
    return _facts({"Account (IBAN)": _in_fours(seller.get("iban")), "Reference": invoice["number"]}, said)


def _negative(amount: str) -> str:
    return amount.removeprefix("-") if amount.startswith("-") else f"-{amount}"


def _to_pay(total: str, prepaid: str, applied: str) -> str:
    """What was to be paid when the invoice became final, with the places of its currency."""
    payable = EXACT.subtract(Decimal(total), Decimal(prepaid))
    left = EXACT.subtract(max(payable, Decimal(0)), Decimal(applied))
    return f"{left.quantize(Decimal(total), context=EXACT):f}"


def _is_money(amount: str) -> bool:
    return bool(amount.strip("-0."))


def _in_fours(iban: str | None) -> str | None:
    return None if iban is None else " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _facts(found: Mapping[str, str | None], said: Language) -> Facts:
    return tuple((said.text(name), fact) for name, fact in found.items() if fact)
