"""Bounds that the tables, the API and the command line share, each written down once."""

import re

MAX_BIGINT = 2**63 - 1
"""The largest number that a column of PostgreSQL's type ``bigint`` holds."""

MAX_COUNT = 366
"""The intervals of a period, and the days until an invoice is due, at most."""

LONGEST_MONTH = 31
"""Days of the longest month; a period may begin on any of them."""

MAX_IDENTIFIER = 128
"""Characters of the name of a customer, a plan, a usage type, a subscription; of a key or source as it is kept."""

MAX_KEY = 1024
"""Characters of an idempotency key or a source as a sender may spell it."""

MAX_NAME = 256
"""Characters of a name for people: a customer's, a plan's."""

MAX_LEGAL_NAME = 500
"""Characters of a name as it stands on invoices: a customer's, the seller's."""

MAX_CITY = 128
"""Characters of the city of an address; each of its lines may have as many as a name."""

MAX_POSTAL_CODE = 32
"""Characters of the postal code of an address."""

MAX_TAX_ID = 64
"""Characters of a tax id as its owner spells it."""

MAX_IBAN = 42
"""Characters of an IBAN as people spell it, in groups of four."""

MAX_LANGUAGE = 16
"""Characters kept of a language such as ``fr-CH``."""

MAX_URL = 2048
"""Characters of the address of a page or an endpoint."""

MAX_BUYER_REFERENCE = 128
"""Characters of what a customer wants to find on its invoices."""

MAX_UNIT_NAME = 64
"""Characters of the name of a unit, such as "pages"."""

MAX_KEY_NAME = 128
"""Characters of the name of an API key."""

MAX_ITEMS = 1000
"""Items of an invoice that an answer shows."""

MAX_RATE = 10**9
"""Requests a minute that a key, or any credential, may be allowed."""

MAX_METHOD = 64
"""Characters of how an invoice was paid, such as "bank transfer"."""

MAX_ACTOR = 128
"""Characters kept of who opened a run or resolved a quarantined recording; the audit log keeps all of it."""

MAX_EMAIL = 320
"""Characters of an e-mail address."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def is_email(text: str) -> bool:
    """Whether ``text`` has the form of an e-mail address, as far as that can be recognised; its length is not asked."""
    return _EMAIL.fullmatch(text) is not None
