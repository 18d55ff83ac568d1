"""The moments at which a change takes effect that need no date, and what becomes of usage after one. Pure."""

NOW = "now"
PERIOD_END = "period_end"

REFUSE = "refuse"
VOID = "void"
LATER_USAGE = (REFUSE, VOID)
"""Usage after a pause or an end of the past: the change is refused for it, or the usage is taken back."""
