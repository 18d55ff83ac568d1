"""The words of alerts. They are stored and told, so they are added to and never change. Pure."""

from enum import StrEnum


class Watches(StrEnum):
    """What a rule compares with its lines."""

    PERCENT = "percent"
    UNITS = "units"
    AMOUNT = "amount"
    BALANCE = "balance"
    PROJECTED = "projected"
    ANOMALY = "anomaly"


IN_THE_DRAIN = (Watches.PERCENT, Watches.UNITS, Watches.AMOUNT)
"""What is judged in the transaction that counts usage."""
HOURLY = (Watches.PROJECTED, Watches.ANOMALY)
"""What is judged once an hour."""


class Basis(StrEnum):
    """What 100 percent are: the allowance, that and what is paid for beforehand, money, or what was granted."""

    ALLOWANCE = "allowance"
    WITH_PREPAID = "allowance+prepaid"
    SPEND = "spend"
    GRANTED = "granted"


class Rearm(StrEnum):
    """Whether a line that was told in a period can be told again in it: never, or once it was resolved."""

    NEVER = "never"
    ON_RESOLVE = "on_resolve"


class Late(StrEnum):
    """Whether usage that comes for a period that is over is told."""

    TELL = "tell"
    SILENT = "silent"


class FiringState(StrEnum):
    """What became of a firing: told and never resolved, to be resolved, resolved in its period, or by its end."""

    TOLD = "told"
    OPEN = "open"
    BACK = "back"
    OVER = "over"
