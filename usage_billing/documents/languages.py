"""The languages of documents: sentences by gettext's catalogues, numbers, days and countries by Babel.

A catalogue is its ``.po`` file, as translators write it; a process reads it at its first document in the language.
"""

import gettext
import re
from collections.abc import Mapping
from copy import copy
from datetime import date
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

from usage_billing.invoicing.wording import days_text, grouped
from usage_billing.rating.currency import minor_unit

DEFAULT = "en"
LANGUAGES = ("en", "de", "fr")
"""Those that documents can be in."""

_FOLDER = Path(__file__).parent / "locale"
_MOST_PLACES = 12
# A code such as KWD stands apart from the number; a symbol does not.
_BEFORE_DIGIT = re.compile(r"(?<=[A-Za-z])(?=[0-9])")
_MINUS, _NO_BREAK = "\u2212", "\u00a0"


class Language:
    """One of them, as a ``Tongue`` of what items say; its sentences are those of the catalogue in ``folder``."""

    def __init__(self, code: str, folder: Path = _FOLDER) -> None:
        from babel import Locale  # its tables are for documents alone

        self.code = code
        self._locale = Locale.parse(code)
        self._catalogue = _catalogue(code, folder)
        symbols = self._locale.number_symbols["latn"]
        self._symbols = str.maketrans({",": symbols["group"], ".": symbols["decimal"]})

    def text(self, english: str) -> str:
        """A sentence, or a pattern of one."""
        return self._catalogue.gettext(english)

    def number(self, plain: str) -> str:
        """A plain decimal with its thousands separated: ``1,234.50``, ``1.234,50``."""
        return grouped(plain).translate(self._symbols)

    def money(self, amount: str | Decimal, currency: str, *, places: int | None = None) -> str:
        """With the currency's minor unit always, or ``places``: ``€240.00``. What has more places keeps them."""
        pattern = copy(self._locale.currency_formats["standard"])
        # CLDR has fewer places than ISO 4217 for some currencies.
        pattern.frac_prec = (minor_unit(currency) if places is None else places, _MOST_PLACES)
        text = pattern.apply(
            Decimal(amount), self._locale, currency=currency, currency_digits=False, decimal_quantization=False
        )
        return _BEFORE_DIGIT.sub(_NO_BREAK, text.replace("-", _MINUS))

    def days(self, days: Mapping[str, str]) -> str:
        """A span of days, both included: ``1 to 31 March 2026``."""
        from babel.dates import format_interval

        if self.code == DEFAULT:
            return days_text(days)
        first, last = date.fromisoformat(days["from"]), date.fromisoformat(days["to"])
        return format_interval(first, last, "yMMMMd", locale=self._locale)

    def country(self, code: str) -> str:
        """The name of a country, by its ISO 3166 code."""
        return str(self._locale.territories.get(code, code))


@cache
def language(wanted: str | None) -> Language:
    """The language ``wanted``, such as ``de`` or ``de-AT``; English where documents cannot be in it."""
    return Language(code_of(wanted))


def code_of(wanted: str | None) -> str:
    """The one of ``LANGUAGES`` that ``wanted`` is, such as ``de`` of ``de-AT``; English where it is none."""
    code = (wanted or DEFAULT).partition("-")[0].lower()
    return code if code in LANGUAGES else DEFAULT


def _catalogue(code: str, folder: Path) -> gettext.NullTranslations:
    if code == DEFAULT:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (folder / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
