"""The names of the queues, for what declares them and for what starts workers on them. They never change."""

from enum import StrEnum


class QueueName(StrEnum):
    """A queue; a task's messages go to the one that ``celeryconfig`` routes its name to."""

    USAGE = "usage"
    BILLING = "billing"
    HOUSEKEEPING = "housekeeping"
    FOLDING = "folding"
    MESSAGES = "messages"
