"""What the data of every event has beside its own fields. Pure."""

from usage_billing.wire.kinds import Flag
from usage_billing.wire.noun import Field, Noun

MOST_BYTES = 20 * 1024
"""Bytes of a body. Of a larger one the lists are left empty, and it says so."""

_ABRIDGED = Field(
    "abridged",
    Flag(),
    f"true where the whole has more than {MOST_BYTES // 1024} KiB: its lists are empty then. Left out otherwise.",
    optional=True,
)


def told(name: str, says: str, *fields: Field) -> Noun:
    """The data of an event."""
    return Noun(name, says, (*fields, _ABRIDGED))
