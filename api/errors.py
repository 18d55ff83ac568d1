"""Errors that only HTTP knows; the rest of the tree stands in ``usage_billing.core.errors``."""

import time

from usage_billing.core.errors import Conflict, UsageBillingError


class Unreadable(UsageBillingError):
    """The body or a parameter is not well-formed HTTP or JSON."""

    code = "bad_request"


class UnsupportedMediaType(UsageBillingError):
    """The body has a media type or an encoding that this API does not read."""

    code = "unsupported_media_type"


class PreconditionFailed(UsageBillingError):
    """What is to be changed is not as the caller saw it."""

    code = "precondition_failed"


class TooLarge(UsageBillingError):
    """The body is over the limit."""

    code = "body_too_large"


class InProgress(Conflict):
    """The same request is being answered at this moment; ask again after ``retry_after`` seconds."""

    code = "in_progress"
    retry_after = 1


class TooManyRequests(UsageBillingError):
    """The caller asked too often; ``reset`` is the Unix time from when it may again."""

    code = "rate_limited"

    def __init__(self, message: str, *, code: str, reset: float) -> None:
        super().__init__(message, code=code)
        self.retry_after = max(1, int(reset - time.time()) + 1)
