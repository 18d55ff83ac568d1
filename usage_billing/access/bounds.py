"""What a key may record, if not everything. Pure."""

from dataclasses import dataclass

from usage_billing.core.errors import Forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a key is bound to; None is no bound. A ``source`` is this key's alone: no other may record by its name."""

    source: str | None = None
    usage_types: frozenset[str] | None = None
    user_ids: frozenset[str] | None = None

    def check(self, *, usage_type: str, user_id: str, source: str) -> None:
        """Raises Forbidden for what lies outside. A recording without a source (empty) has that of the key."""
        if self.source is not None and source not in {"", self.source}:
            raise not_for_this_key(f"the source must be {self.source}, or left out")
        if self.usage_types is not None and usage_type not in self.usage_types:
            raise not_for_this_key(f"it does not record the usage type {usage_type}")
        if self.user_ids is not None and user_id not in self.user_ids:
            raise not_for_this_key(f"it does not record for {user_id}")


UNBOUND = Bounds()


def not_for_this_key(why: str) -> Forbidden:
    """The error for a recording that another key may send, and this one may not."""
    return Forbidden(f"not for this key: {why}", code="not_for_this_key")
