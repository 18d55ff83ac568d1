"""What the calls that wait raise, drawn as one tree. ``record`` raises none of it.

::

    UsageClientError
    ├── Refused        the service looked at it and says no
    ├── NotAllowed     the key does not hold, or not for this
    └── Undelivered    no answer that says either; try again with the same key
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class UsageClientError(Exception):
    """A call did not succeed; the message says why."""


class Refused(UsageClientError):
    """The service says no. ``code`` is for programs, ``errors`` names the fields, ``status`` is that of HTTP."""

    def __init__(self, message: str, *, status: int, code: str, errors: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = tuple(errors)


class NotAllowed(UsageClientError):
    """The key does not hold (401), or not for this (403)."""


class Undelivered(UsageClientError):
    """Whether it was recorded is unknown. Recording again with ``keys`` as idempotency keys counts it once.

    ``key`` is that of a single recording; a look-up has none.
    """

    def __init__(self, message: str, *, keys: Sequence[str]) -> None:
        super().__init__(message)
        self.keys = tuple(keys)
        self.key = keys[0] if keys else ""
