"""Where the billing periods of a subscription begin: with the calendar, or on the day it started. Pure."""

CALENDAR = "calendar"
ANNIVERSARY = "anniversary"
