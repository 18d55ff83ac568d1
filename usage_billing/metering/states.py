"""Why a recording is quarantined, and what was decided about it. Pure."""

from enum import StrEnum


class QuarantineStatus(StrEnum):
    """What was decided about a quarantined recording; an open one still waits for that."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class QuarantineReason(StrEnum):
    """Why an accepted recording could not be counted."""

    UNKNOWN_SUBSCRIPTION = "unknown_subscription"
    UNKNOWN_USAGE_TYPE = "unknown_usage_type"
    AMBIGUOUS_SUBSCRIPTION = "ambiguous_subscription"
    WRONG_CUSTOMER = "wrong_customer"
    OUTSIDE_SUBSCRIPTION = "outside_subscription"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    NO_VALUE = "no_value"
    NEGATIVE_QUANTITY = "negative_quantity"
    QUANTITY_DIFFERS = "quantity_differs"
    BROKEN_PAYLOAD = "broken_payload"
    FAILED = "failed"
