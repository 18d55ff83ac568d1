"""Words that a caller chooses between: of a plan, and of when a version takes effect. Pure."""

from enum import StrEnum

INTERVALS = ("day", "week", "month", "quarter", "year")
BY_MONTHS = ("month", "quarter", "year")
"""The intervals whose periods can begin on a day of the month."""

BY_TIME = "time"
BY_DAYS = "days"
NOT_AT_ALL = "none"
METHODS = (BY_TIME, BY_DAYS, NOT_AT_ALL)
"""The ways to divide an allowance or a fee over the parts of a period; the first is the default."""


class OnDowngrade(StrEnum):
    """What becomes of usage that was free under a plan which is left, and that what follows does not cover."""

    KEEP = "keep"
    CHARGE = "charge"


class Own(StrEnum):
    """What becomes of terms that are a subscription's own when it moves to another plan."""

    KEEP = "keep"
    END = "end"


class Effective(StrEnum):
    """When a version takes effect: with the next period, the running one, at once, from the start, at an instant."""

    NEXT_PERIOD = "next_period"
    PERIOD = "period"
    NOW = "now"
    START = "start"
    INSTANT = "instant"
