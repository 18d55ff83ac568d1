"""What a key is bound to, held against the recordings that came with it."""

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from usage_billing.access.bounds import not_for_this_key
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
        if bounds is not None:
            bounds.check(usage_type=one.usage_type, user_id=one.customer_id, source=one.source)
    if bounds is None or bounds.source is None:
        return recordings
    return [one if one.source else replace(one, source=bounds.source) for one in recordings]
