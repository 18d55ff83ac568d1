"""The languages of mail: those of documents, with sentences of its own."""

from functools import cache
from pathlib import Path

from usage_billing.documents.languages import Language, code_of

_FOLDER = Path(__file__).parent / "locale"


def mail_language(*wanted: str | None) -> Language:
    """The first of ``wanted`` that is said, such as ``de-AT``; English where mail cannot be in it."""
    return _language(code_of(next((one for one in wanted if one), None)))


@cache
def _language(code: str) -> Language:
    return Language(code, _FOLDER)
