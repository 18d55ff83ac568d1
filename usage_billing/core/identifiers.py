"""Names that callers give, keys that senders give, and identifiers that we make. Pure.

Names are compared as bytes. Their alphabet has no accents, so two spellings of one accent can never become two
customers. It leaves out what a URL, a quotation, a list or a spreadsheet would read as something else.
"""

import re
from uuid import UUID

from uuid_utils import uuid7 as quick_uuid7
from uuid_utils.compat import uuid7

from usage_billing.core.limits import MAX_IDENTIFIER, MAX_KEY

# Printable ASCII but space and / ? # % \\ " ' < > , ; & = { }
_NO_MARK = r"[!$()*+0-9:@A-Z\[\]^_`a-z|~"
_ANY, _NO_DOT, _FIRST = rf"{_NO_MARK}.-]", rf"{_NO_MARK}-]", rf"{_NO_MARK}]"

IDENTIFIER_PATTERN = rf"{_ANY}{{1,{MAX_IDENTIFIER}}}"
"""A name that is asked for; it may be one that was given before the rule for new ones."""

NEW_IDENTIFIER_PATTERN = (
    rf"(?:{_FIRST}{_ANY}{{0,{MAX_IDENTIFIER - 1}}}"
    rf"|\.(?:{_NO_DOT}{_ANY}{{0,{MAX_IDENTIFIER - 2}}}|\.{_ANY}{{1,{MAX_IDENTIFIER - 2}}}))"
)
"""A name that is given: neither ``.`` nor ``..``, and no hyphen first, which commands would read as an option."""

IDENTIFIER_RULE = (
    f"must be 1 to {MAX_IDENTIFIER} printable ASCII characters but space and / ? # % \\ \" ' < > , ; & = {{ }}"
)
NEW_IDENTIFIER_RULE = f"{IDENTIFIER_RULE}, not . or .., and must not begin with -"
KEY_RULE = f"must be a text of 1 to {MAX_KEY} characters without control characters"

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)
_NEW_IDENTIFIER = re.compile(NEW_IDENTIFIER_PATTERN)
_KEY = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_KEY}}}")


MINIMUM_KEY_LENGTH = 16
MAXIMUM_KEY_LENGTH = 256
"""How long an API key may be that an operator chooses, in characters."""


def new_id() -> UUID:
    """A version 7 UUID: unique, and ordered by time so that indexes grow at their right edge."""
    return uuid7()


def new_text_id() -> str:
    """A version 7 UUID as 32 hexadecimal digits, for ids that are only ever shown."""
    return quick_uuid7().hex


def is_identifier(text: str) -> bool:
    """Whether ``text`` may be the name of a customer, a plan, a usage type or a subscription that is there."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether ``text`` may be an API key: 16 to 256 printable ASCII characters."""
    return MINIMUM_KEY_LENGTH <= len(text) <= MAXIMUM_KEY_LENGTH and text.isascii() and text.isprintable()


def is_new_identifier(text: str) -> bool:
    """Whether ``text`` may become the name of one."""
    return _NEW_IDENTIFIER.fullmatch(text) is not None


def kept_key(text: str) -> str | None:
    """How an idempotency key or a source is kept and looked for; None when ``text`` can be none.

    Up to 128 characters of ASCII are kept as they are, any other text as ``sha256:`` and the hex of its UTF-8: keys
    are only ever compared.
    """
    if _KEY.fullmatch(text) is None:
        return None
    if len(text) <= MAX_IDENTIFIER and text.isascii():
        return text
    from hashlib import sha256  # it loads OpenSSL, which the help of a command does not need

    return f"sha256:{sha256(text.encode()).hexdigest()}"
