"""The one place that asks what time it is. Doors call it and pass the instant inwards; tests pass their own."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present as an aware UTC time with microseconds."""
    return datetime.now(UTC)
