"""Words that a plan chooses between: how long a period is, how a whole is divided, what leaving a plan does. Pure."""

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
