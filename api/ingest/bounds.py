"""What a key is bound to, held against the recordings that came with it."""

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from usage_billing.access.bounds import Bounds, not_for_this_key
from usage_billing.access.principal import Principal
from usage_billing.metering.recording import Recording


def within_bounds(
    recordings: Sequence[Recording], caller: Principal, *, bound_sources: Callable[[], Collection[str]]
) -> Sequence[Recording]:
    """The recordings, with the source that the key is bound to; all of them may come from this caller.

    ``bound_sources`` finds the sources of all keys, for a caller that has no key. Raises Forbidden, code
    ``not_for_this_key``, for the first that may not.
    """
    bounds, foreign = caller.bounds, caller.foreign_sources
    if bounds is None and foreign is not None and not foreign:
        return recordings
    if foreign is None:
        foreign = frozenset(bound_sources()) if any(one.source for one in recordings) else frozenset()
    for one in recordings:
        if one.source in foreign:
            raise not_for_this_key(f"the source {one.source} is another key's")
        if bounds is not None and not one.beside.unread:
            bounds.check(usage_type=one.usage_type, user_id=one.customer_id or one.beside.whose, source=one.source)
    return recordings if bounds is None else [_bound(one, bounds) for one in recordings]


def _bound(one: Recording, bounds: Bounds) -> Recording:
    """``one`` with the key's source, and with the customer that a key for certain customers let in by its name."""
    if bounds.source is not None and not one.source:
        one = replace(one, source=bounds.source)
    if bounds.user_ids is not None and one.beside.whose:
        one = replace(one, customer_id=one.beside.whose)
    return one
