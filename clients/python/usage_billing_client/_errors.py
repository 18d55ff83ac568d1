"""What ``record_now`` raises, drawn as one tree. ``record`` raises none of it.

::

    UsageClientError
    ├── Refused        the service looked at the recording and does not take it
    ├── NotAllowed     the key does not hold, or not for recording
    └── Undelivered    no answer that says either; try again with the same key
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class UsageClientError(Exception):
    """A recording was not accepted; the message says why."""


class Refused(UsageClientError):
    """The service does not take the recording. ``code`` is for programs, ``errors`` names the fields."""

    def __init__(self, message: str, *, status: int, code: str, errors: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = tuple(errors)


class NotAllowed(UsageClientError):
    """The key does not hold (401), or not for recording (403)."""


class Undelivered(UsageClientError):
    """Whether it was recorded is unknown. Recording again with ``key`` as idempotency key counts it once."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key
