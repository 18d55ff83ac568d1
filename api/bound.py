"""What a caller's key is bound to, held against the recordings of its request."""

from collections.abc import Sequence

from api.auth import caller
from api.ingest.bounds import within_bounds
from api.state import state
from usage_billing.access.queries import bound_sources
from usage_billing.db.session import read_only
from usage_billing.metering.recording import Recording


def bound_to_caller(recordings: Sequence[Recording]) -> Sequence[Recording]:
    """The recordings, with the source that the caller's key is bound to; raises Forbidden, ``not_for_this_key``."""
    return within_bounds(recordings, caller(), bound_sources=_bound_sources)


def _bound_sources() -> set[str]:
    with read_only(state().engine) as session:
        return bound_sources(session)
