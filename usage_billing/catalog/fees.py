"""When the base fee of a plan is charged: after each period, or before it. Pure."""

from enum import StrEnum


class FeeTiming(StrEnum):
    """When the base fee of a period is charged."""

    ARREARS = "arrears"
    ADVANCE = "advance"
