"""Where the billing periods of a subscription begin: with the calendar, or on the day it started. Pure."""

from enum import StrEnum


class Anchor(StrEnum):
    """What the billing periods of a subscription follow."""

    CALENDAR = "calendar"
    ANNIVERSARY = "anniversary"
