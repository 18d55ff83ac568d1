"""What a subscription can be at an instant, once it has started. Pure."""

ACTIVE = "active"
PAUSED = "paused"
ENDED = "ended"

STATUSES = (ACTIVE, PAUSED, ENDED)
