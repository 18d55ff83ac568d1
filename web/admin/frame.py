"""The frame of the admin pages: where everything is, who is at the desk, and which page this is."""

from typing import Any

from flask import Response
from markupsafe import Markup

from api.state import this_request
from usage_billing.core.errors import FieldError, InvalidInput
from web.admin.blueprint import HOME, address
from web.admin.desk import Desk
from web.pages import page, render

_LONGEST = 1024

NAVIGATION: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("", (("", "Today"),)),
    ("Customers", (("customers", "Customers"), ("subscriptions", "Subscriptions"))),
    ("Usage", (("records", "Recordings"), ("quarantine", "Quarantine"))),
    ("Billing", (("runs", "Runs"), ("invoices", "Invoices"), ("revenue", "Revenue"))),
    ("Prepaid", (("wallets", "Wallets"), ("top-ups", "Top-ups"), ("schedules", "Recurring grants"))),
    ("Catalogue", (("plans", "Plans and quotas"), ("usage-types", "Usage types"), ("packages", "Packages"))),
    ("Connections", (("endpoints", "Endpoints"), ("events", "Events"), ("alerts", "Alerts"))),
    ("Service", (("seller", "Seller and taxes"), ("keys", "Keys"), ("audit", "Audit"))),
)
"""The groups of the side navigation: their name, and the path and the word of each page."""


def framed(desk: Desk, current: str, template: str, *, status: int = 200, **context: Any) -> Response:
    """The page of ``template``; ``current`` is the path of its entry in the navigation."""
    return page(f"admin/{template}.html", desk.writer, status=status, **_known(desk, current), **context)


def part(desk: Desk, template: str, **context: Any) -> Markup:
    """A part of a page, which stands in another as it is."""
    return Markup(  # noqa: S704  the template has escaped it
        render(f"admin/{template}.html", desk.writer, **_known(desk, ""), **context)
    )


def query_of(*names: str) -> dict[str, str]:
    """The parameters of the address, empty ones left out; raises InvalidInput for one that the page does not know."""
    given = this_request().args
    strays = [name for name in given if name not in names]
    twice = [name for name, values in given.lists() if len(values) > 1]
    if strays or twice:
        fields = [FieldError(f"?{name[:64]}", "is not a parameter of this page", "unknown") for name in strays]
        fields += [FieldError(f"?{name[:64]}", "is given twice", "repeated") for name in twice]
        raise InvalidInput("the address has wrong parameters", fields=tuple(fields))
    texts = {name: given[name].strip() for name in names if given.get(name, "").strip()}
    for name, text in texts.items():
        if not text.isprintable() or len(text) > _LONGEST:
            raise InvalidInput.field(f"?{name}", "is no text that can stand there", code="invalid")
    return texts


def _known(desk: Desk, current: str) -> dict[str, Any]:
    return {
        "navigation": _there(),
        "current": current,
        "home": HOME,
        "to": address,
        "actor": desk.operator.actor,
        "token": desk.operator.token,
        "zone": desk.writer.zone,
        "now_time": desk.writer.time(desk.now),
    }


def _there() -> list[tuple[str, list[dict[str, str]]]]:
    return [
        (group, [{"path": path, "url": address(path) if path else HOME, "word": word} for path, word in entries])
        for group, entries in NAVIGATION
    ]
