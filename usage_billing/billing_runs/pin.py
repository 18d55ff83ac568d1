"""How much a dry run knew of a summary. Pure."""

from datetime import datetime
from typing import NamedTuple

PinKey = tuple[str, str, datetime]
"""(subscription, usage type, start of the segment): ids of what a dry run makes are gone with it."""


class Pin(NamedTuple):
    """How much a dry run knew of a summary: so many recordings, and so many taken back."""

    subscription_id: str
    usage_type_id: str
    period_start: datetime
    events: int
    voids: int
