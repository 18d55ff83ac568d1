"""The moments at which a change takes effect that need no date. Pure."""

NOW = "now"
PERIOD_END = "period_end"
