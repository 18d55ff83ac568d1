"""Which usage types make quantities, so that a recording of one may come without."""

from collections.abc import Callable, Collection

from usage_billing.core.errors import Unavailable


class MakingTypes:
    """Remembers the usage types that make quantities. Only a recording without one asks."""

    def __init__(self, read: Callable[[], Collection[str]]) -> None:
        self._read = read
        self._known: Collection[str] = frozenset()

    def asked(self) -> Callable[[str], bool]:
        """The question whether a usage type makes quantities, for one request: it reads the database once at most.

        While the database does not answer it is yes. Then the worker decides: what it can give no quantity goes to
        quarantine.
        """
        is_fresh = False

        def is_made(usage_type: str) -> bool:
            nonlocal is_fresh
            if usage_type in self._known:
                return True
            if is_fresh:
                return False
            try:
                self._known = self._read()
            except Unavailable:
                return True
            is_fresh = True
            return usage_type in self._known

        return is_made

    def forget(self) -> None:
        """Ask anew: for tests."""
        self._known = frozenset()
