"""The states of a quarantined recording. Pure."""

OPEN = "open"
REPLAYED = "replayed"
DISCARDED = "discarded"
