"""What a mail is made of: an event for one reader, and what is said of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from usage_billing.core.mailboxes import one_line
from usage_billing.documents.languages import Language
from usage_billing.invoicing.wording import days_of

_MOST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event for one reader: its type, when it was, what of it is told, and to whom.

    ``zone`` is that of days, ``unit`` what the event's usage type counts, and ``with_pdf`` says that a PDF is attached.
    """

    type: str
    at: str
    data: Mapping[str, Any]
    said: Language
    for_customer: bool
    zone: str = "UTC"
    unit: str = ""
    with_pdf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a mail says. ``path`` is that of the page its one button leads to, and ``button`` what stands on it."""

    subject: str
    headline: str
    sentence: str
    rows: tuple[tuple[str, str], ...] = ()
    path: str = ""
    button: str = ""


def days_between(start: str, end: str, zone: str) -> Mapping[str, str]:
    """The days of a period, as pages and documents write them."""
    return days_of(datetime.fromisoformat(start), datetime.fromisoformat(end), zone)


def cut(value: object) -> str:
    """A text of others in one line, cut where it is very long."""
    text = one_line(str(value))
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}\u2026"
