"""The languages of documents: sentences by gettext's catalogues, numbers, days and countries by Babel.

A catalogue is its ``.po`` file, as translators write it; a process reads it at its first document in the language.
"""

import gettext
from collections.abc import Mapping
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path

from usage_billing.invoicing.wording import days_text, grouped

DEFAULT = "en"
LANGUAGES = ("en", "de", "fr")
"""Those that documents can be in."""

_FOLDER = Path(__file__).parent / "locale"


class Language:
    """One of them, as a ``Tongue`` of what items say."""

    def __init__(self, code: str) -> None:
        from babel import Locale  # its tables are for documents alone

        self.code = code
        self._locale = Locale.parse(code)
        self._catalogue = _catalogue(code)
        symbols = self._locale.number_symbols["latn"]
        self._symbols = str.maketrans({",": symbols["group"], ".": symbols["decimal"]})

    def text(self, english: str) -> str:
        """A sentence, or a pattern of one."""
        return self._catalogue.gettext(english)

    def number(self, plain: str) -> str:
        """A plain decimal with its thousands separated: ``1,234.50``, ``1.234,50``."""
        return grouped(plain).translate(self._symbols)

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
    code = (wanted or DEFAULT).partition("-")[0]
    return Language(code if code in LANGUAGES else DEFAULT)


def _catalogue(code: str) -> gettext.NullTranslations:
    if code == DEFAULT:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (_FOLDER / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
