"""The sentences of the pages in the reader's language, by gettext: the English sentence is the key of the others."""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from usage_billing.sessions.pages import LOCALES

ENGLISH = LOCALES[0]


@cache
def sentences(locale: str) -> NullTranslations:
    """The sentences of one of ``LOCALES``, compiled when first asked for; English ones are those in the code."""
    if locale == ENGLISH:
        return NullTranslations()
    text = (files("web") / "locale" / locale / "LC_MESSAGES" / "messages.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=locale))
    compiled.seek(0)
    return GNUTranslations(compiled)


def locale_for(*wanted: str | None) -> str:
    """The first of ``wanted`` languages, such as ``de-AT``, that the pages speak; else English."""
    for one in wanted:
        spoken = (one or "").replace("_", "-").partition("-")[0].lower()
        if spoken in LOCALES:
            return spoken
    return ENGLISH
