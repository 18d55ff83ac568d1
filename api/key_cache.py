"""A cache of API keys that held a moment ago, so that recording asks the database only now and then.

It also lets recording go on while the database is away: a key that held within the last ten minutes is then still
trusted, for recording alone.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from usage_billing.access.keys import hash_key
from usage_billing.access.principal import Principal
from usage_billing.core.errors import NotAuthenticated, Unavailable
from usage_billing.core.identifiers import MAXIMUM_KEY_LENGTH

MAX_ENTRIES = 10_000
REFUSED_SECONDS = 1.0
TRUSTED_SECONDS = 600.0
# Seconds that a recording waits for a database that may hang. The query goes on in the background.
PATIENCE_SECONDS = 0.5


@dataclass(slots=True)
class _Held:
    """A key that held at ``checked`` (monotonic seconds)."""

    principal: Principal
    checked: float
    refreshing: bool = False


class KeyCache:
    """Principals by the hash of their key; bounded, and safe between threads."""

    def __init__(
        self,
        load: Callable[[str], Principal],
        *,
        secret: str,
        fresh_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._secret = secret
        self._fresh_seconds = fresh_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lookers = ThreadPoolExecutor(2, thread_name_prefix="keys")
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[NotAuthenticated, float]] = OrderedDict()

    def find(self, key: str, *, trusting: bool) -> Principal:
        """The service behind ``key``; raises NotAuthenticated, or Unavailable when the database is away.

        While the database does not answer, ``trusting`` accepts a key that held within ten minutes. It does not wait
        for a database that hangs: one caller asks again, the others go on.
        """
        if len(key) > MAXIMUM_KEY_LENGTH:
            raise NotAuthenticated("the API key does not hold", code="key_invalid")
        digest, now = hash_key(key, self._secret), self._monotonic()
        with self._lock:
            held = self._held.get(digest)
            if held is not None:
                age = now - held.checked
                if age < self._fresh_seconds or (trusting and held.refreshing and age < TRUSTED_SECONDS):
                    return held.principal
                held.refreshing = True
            self._raise_if_refused(digest, now)
        if held is None or not trusting:
            return self._look_up(key, digest, held)
        looking = self._lookers.submit(self._look_up, key, digest, held)
        try:
            return looking.result(PATIENCE_SECONDS)
        except (TimeoutError, Unavailable):
            if now - held.checked < TRUSTED_SECONDS:
                return held.principal
            raise

    def _look_up(self, key: str, digest: bytes, held: _Held | None) -> Principal:
        try:
            principal = self._load(key)
        except NotAuthenticated as error:
            self._forget(digest, error)
            raise
        finally:
            if held is not None:
                held.refreshing = False
        self._keep(digest, principal)
        return principal

    def forget(self, actor: str) -> None:
        """Forget the key of ``actor``, which was revoked or rotated here; the others stay known."""
        with self._lock:
            for digest in [digest for digest, held in self._held.items() if held.principal.actor == actor]:
                del self._held[digest]

    def clear(self) -> None:
        """Forget all keys."""
        with self._lock:
            self._held.clear()
            self._refused.clear()

    def _raise_if_refused(self, digest: bytes, now: float) -> None:
        refused = self._refused.get(digest)
        if refused is not None and now - refused[1] < REFUSED_SECONDS:
            raise NotAuthenticated(refused[0].message, code=refused[0].code)

    def _keep(self, digest: bytes, principal: Principal) -> None:
        with self._lock:
            self._held[digest] = _Held(principal, self._monotonic())
            self._held.move_to_end(digest)
            while len(self._held) > MAX_ENTRIES:
                self._held.popitem(last=False)

    def _forget(self, digest: bytes, error: NotAuthenticated) -> None:
        with self._lock:
            self._held.pop(digest, None)
            self._refused[digest] = (error, self._monotonic())
            while len(self._refused) > MAX_ENTRIES:
                self._refused.popitem(last=False)
