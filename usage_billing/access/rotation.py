"""How long a rotated key holds beside its successor, and how long that holds. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from usage_billing.core.changes import UNCHANGED, Unchanged

DEFAULT_OVERLAP = timedelta(days=1)
"""Unless the caller says otherwise."""

MAX_OVERLAP = timedelta(days=366)
"""The longest that both keys may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """For how long both keys hold, and until when the successor does: None is for ever.

    Not given, it holds for as long as the old key was made to hold.
    """

    overlap: timedelta = DEFAULT_OVERLAP
    expires_at: datetime | Unchanged | None = UNCHANGED


USUAL_ROTATION = Rotation()
"""What holds where the caller says nothing."""
