"""The one place that asks what time it is. Doors call it and pass the instant inwards; tests pass their own instant."""

from datetime import UTC, datetime
from functools import lru_cache


def utc_now() -> datetime:
    """The present as an aware UTC time with microseconds."""
    return datetime.now(UTC)


@lru_cache(maxsize=1024)
def as_text(instant: datetime) -> str:
    """The instant in ISO 8601. It is cached: writing one takes a microsecond, and a batch's rows share few instants."""
    return instant.isoformat()


def instant_text(instant: datetime) -> str:
    """How a time is written on the wire: RFC 3339 in UTC, ``2026-01-31T12:00:00Z``."""
    # To Python the two times of an hour that comes twice are equal; those of UTC are not.
    return _text_of_utc(instant.astimezone(UTC))


@lru_cache(maxsize=1024)
def _text_of_utc(instant: datetime) -> str:
    """It is cached as ``as_text`` is: the windows of a span are the same for all who ask."""
    return instant.isoformat().replace("+00:00", "Z")
