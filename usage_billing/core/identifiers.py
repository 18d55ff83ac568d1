"""Names that callers give and identifiers that we make.

Names that callers give are compared as bytes. Their alphabet is fixed and has no accents, so two spellings of one
accent can never become two customers.
"""

import re
from uuid import UUID

from uuid_utils import uuid7 as quick_uuid7
from uuid_utils.compat import uuid7

IDENTIFIER_PATTERN = r"[A-Za-z0-9_.:-]{1,128}"
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


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
    """Whether ``text`` may name a customer, a plan, a key ...: 1 to 128 of ``A-Z a-z 0-9 _ . : -``."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether ``text`` may be an API key: 16 to 256 printable ASCII characters."""
    return MINIMUM_KEY_LENGTH <= len(text) <= MAXIMUM_KEY_LENGTH and text.isascii() and text.isprintable()
