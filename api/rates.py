"""How often a caller may ask: fixed windows of a minute, counted in this process.

``limits`` is what flask-limiter is made of; used directly it costs 3 us a request instead of a decorator's 100.
"""

from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.errors import TooManyRequests

FAILURES_PER_MINUTE = 60
"""Refused credentials from one address, after which only keys known to hold are looked at."""


class Rates:
    """Counts requests by caller and failed authentications by address."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self.failures_per_minute = FAILURES_PER_MINUTE

    def count_request(self, actor: str, *, per_minute: int) -> None:
        """Raises TooManyRequests beyond ``per_minute`` requests of ``actor``."""
        item = _per_minute(per_minute)
        if not self._limiter.hit(item, actor):
            raise self._too_many(item, actor, "too many requests with this credential", code="rate_limited")

    def check_failures(self, address: str) -> None:
        """Raises TooManyRequests when too many credentials from ``address`` did not hold."""
        item = _per_minute(self.failures_per_minute)
        if not self._limiter.test(item, "failures", address):
            message = "too many credentials from this address did not hold"
            raise self._too_many(item, "failures", message, address, code="too_many_failures")

    def count_failure(self, address: str) -> None:
        """Remember that a credential from ``address`` did not hold."""
        self._limiter.hit(_per_minute(self.failures_per_minute), "failures", address)

    def clear(self) -> None:
        """Forget every count."""
        self._limiter.storage.reset()

    def _too_many(self, item: RateLimitItem, who: str, message: str, *rest: str, code: str) -> TooManyRequests:
        reset = self._limiter.get_window_stats(item, who, *rest).reset_time
        return TooManyRequests(f"{message}; try again later", code=code, reset=reset)


@lru_cache(maxsize=256)
def _per_minute(amount: int) -> RateLimitItem:
    return RateLimitItemPerMinute(amount)
