"""In which states endpoints and deliveries are. Pure."""

from enum import StrEnum


class EndpointKind(StrEnum):
    """How an endpoint is told: by a signed request, or by mail."""

    WEBHOOK = "webhook"
    EMAIL = "email"


TO_CUSTOMER = "customer"
"""What stands for each customer's own address where the addresses of mail are named."""


class EndpointStatus(StrEnum):
    """Whether an endpoint is told of what happens; what a disabled one misses is held."""

    ACTIVE = "active"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Why an endpoint is disabled: by hand, because every try failed for days, or because it answered 410."""

    BY_HAND = "by_hand"
    FAILING = "failing"
    GONE = "gone"


class DeliveryState(StrEnum):
    """``waiting`` for its next try, ``sent``, ``failed`` for good, ``held`` for a disabled endpoint, or ``dropped``."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"
    DROPPED = "dropped"
