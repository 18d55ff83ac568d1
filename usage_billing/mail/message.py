"""Writes a mail: plain text and HTML of one content, and headers that no name can break.

What others wrote (names, reasons, addresses) comes into headers as one line, and into HTML escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from usage_billing.brand.colours import DARK, LIGHT, Palette, palette_of
from usage_billing.brand.identity import Brand
from usage_billing.core.mailboxes import Mailbox, one_line
from usage_billing.documents.languages import Language
from usage_billing.mail.words import Words

_ACCENTS = ("#0b6674", "#5fc0cf")
_MOST_SUBJECT, _MOST_NAME = 200, 100
MOST_LISTED = 100
"""Events that a digest lists; of more it says how many."""


class _AsItIs:
    """A header that is neither folded nor encoded.

    The library writes a URL that is longer than a line as encoded words, which no reader of List-Unsubscribe decodes.
    """

    max_count = 1

    @staticmethod
    def parse(text: str, parts: dict[str, Any]) -> None:
        """As the registry of headers asks for it."""
        parts["decoded"], parts["parse_tree"] = text, None

    def fold(self, *, policy: Any) -> str:
        """The line of the header."""
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


def _policy() -> Any:
    registry = HeaderRegistry()
    registry.map_to_type("list-unsubscribe", _AsItIs)  # type: ignore[arg-type]
    return SMTP.clone(header_factory=registry, cte_type="7bit")


_POLICY = _policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """All of one mail. ``ids`` are those of its events, by which and by its recipient it is told from every other.

    ``listed`` are times and subjects of a digest. ``off`` is the link that turns mail like it off, ``why`` says why it
    came, and ``attached`` are a file's name and bytes.
    """

    sender: Mailbox
    recipient: str
    ids: Sequence[str]
    at: datetime
    said: Language
    brand: Brand
    words: Words
    address: str = ""
    why: str = ""
    off: str = ""
    listed: Sequence[tuple[str, str]] = ()
    attached: tuple[str, bytes] | None = None


def message_id(ids: Sequence[str], recipient: str, domain: str) -> str:
    """The Message-ID: of the same events to the same recipient it is the same, also when it is told twice."""
    whom = sha256(recipient.lower().encode()).hexdigest()[:16]
    what = ids[0] if len(ids) == 1 else f"digest_{sha256(' '.join(sorted(ids)).encode()).hexdigest()[:32]}"
    return f"<{what}.{whom}@{domain}>"


def write(letter: Letter) -> EmailMessage:
    """The message as it is handed over."""
    message = EmailMessage(policy=_POLICY)
    name = one_line(letter.sender.name or letter.brand.name)[:_MOST_NAME]
    message["From"] = Address(name, addr_spec=letter.sender.address)
    message["To"] = Address(addr_spec=letter.recipient)
    message["Subject"] = one_line(letter.words.subject)[:_MOST_SUBJECT]
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = message_id(letter.ids, letter.recipient, letter.sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    if letter.off:
        message["List-Unsubscribe"] = f"<{letter.off}>"
        if letter.off.startswith("https://"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    said = _said(letter)
    message.set_content(_environment().get_template("mail.txt").render(said))
    message.add_alternative(_environment().get_template("mail.html").render(said), subtype="html")
    if letter.attached is not None:
        file, content = letter.attached
        message.add_attachment(content, maintype="application", subtype="pdf", filename=file)
    return message


def _said(letter: Letter) -> dict[str, Any]:
    said, words = letter.said, letter.words
    more = len(letter.listed) - MOST_LISTED
    return {
        "lang": said.code,
        "brand": letter.brand,
        "words": words,
        "button": f"{letter.address}{words.path}" if letter.address and words.path else "",
        "listed": letter.listed[:MOST_LISTED],
        "more": said.text("And {number} more.").format(number=said.number(str(more))) if more > 0 else "",
        "why": letter.why,
        "off": letter.off,
        "off_word": said.text("Turn it off"),
        "light": letter.brand.light or _palette(_ACCENTS[0], dark=False),
        "dark": letter.brand.dark or _palette(_ACCENTS[1], dark=True),
    }


@cache
def _palette(accent: str, *, dark: bool) -> Palette | None:
    return palette_of(accent, DARK if dark else LIGHT)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("usage_billing.mail"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
