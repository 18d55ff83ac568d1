"""The states of a quarantined recording. Pure."""

from enum import StrEnum


class QuarantineStatus(StrEnum):
    """What was decided about a quarantined recording; an open one still waits for that."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
