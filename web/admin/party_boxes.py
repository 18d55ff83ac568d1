"""The fields of who stands on an invoice: its address, and what else is said of a customer."""

from typing import Any

from usage_billing.cli.frame.party_types import (
    ADDRESS_LINE,
    BUYER_REFERENCE,
    CITY,
    COUNTRY,
    LANGUAGE,
    LEGAL_NAME,
    POSTAL_CODE,
    TAX_ID,
)
from usage_billing.cli.frame.types import EMAIL
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.parties import Address
from web.admin.forms import Box

_YES_NO = (("no", "no"), ("yes", "yes"))
_LINES = ("line1", "line2", "postalCode", "city", "country")
_NEEDED = ("line1", "city", "country")


def known_box(known: dict[str, Any], name: str, label: str, kind: Any, help: str = "", required: bool = False) -> Box:
    """A field with what is ``known``."""
    return Box(name=name, label=label, kind=kind, value=known.get(name) or "", required=required, help=help)


def address_boxes(known: dict[str, Any]) -> list[Box]:
    """The fields of an address, with that which is ``known``."""
    where = known.get("address") or {}
    return [
        known_box(where, "line1", "Address, first line", ADDRESS_LINE, "It needs a city and a country, too."),
        known_box(where, "line2", "Address, second line", ADDRESS_LINE),
        known_box(where, "postalCode", "Postal code", POSTAL_CODE),
        known_box(where, "city", "City", CITY),
        known_box(where, "country", "Country", COUNTRY, "Two letters, such as DE."),
    ]


def address_in(values: dict[str, Any]) -> Address | None:
    """The address that the fields say; None where they are empty. Raises InvalidInput for half of one."""
    lines = {name: values[name] for name in _LINES}
    if not any(lines.values()):
        return None
    missing = [name for name in _NEEDED if not lines[name]]
    if missing:
        raise InvalidInput.field(f"/{missing[0]}", "an address needs this, too", code="required")
    return Address(
        line1=lines["line1"],
        line2=lines["line2"],
        postal_code=lines["postalCode"],
        city=lines["city"],
        country=lines["country"],
    )


def buyer_boxes(known: dict[str, Any]) -> list[Box]:
    """The fields of what stands of a customer on its invoices, with what is ``known``."""
    exempt = "yes" if known.get("taxExempt") else "no"
    return [
        known_box(known, "email", "E-mail", EMAIL, "Where invoices go."),
        known_box(known, "legalName", "Name on invoices", LEGAL_NAME, "If it is another one."),
        *address_boxes(known),
        known_box(known, "taxId", "Tax id", TAX_ID),
        known_box(known, "language", "Language", LANGUAGE, "Such as de."),
        known_box(known, "buyerReference", "Buyer's reference", BUYER_REFERENCE, "It stands on its invoices."),
        Box(name="taxExempt", label="Exempt from tax", type="choice", choices=_YES_NO, value=exempt),
    ]


def buyer_in(values: dict[str, Any]) -> dict[str, Any]:
    """What the fields of ``buyer_boxes`` say, by the names of the service."""
    return {
        "email": values["email"],
        "legal_name": values["legalName"],
        "address": address_in(values),
        "tax_id": values["taxId"],
        "language": values["language"],
        "buyer_reference": values["buyerReference"],
        "tax_exempt": values["taxExempt"] == "yes",
    }
