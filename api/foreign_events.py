"""Accepts the events of other programs: durable before the answer, whatever each of them holds."""

from collections.abc import Iterable

from api import enqueue
from api.auth import caller
from api.ingest.bounds import within_bounds
from api.ingest.foreign import Format, recordings_of
from api.state import state
from usage_billing import logs
from usage_billing.access.queries import bound_sources
from usage_billing.db.session import read_only
from usage_billing.metering.recording import Beside, Recording


def accept_events(events: Iterable[bytes], form: Format, *, default_key: str = "") -> list[Recording]:
    """Keep a recording for each event, read or unread; raises Forbidden, or Unavailable when nothing was kept."""
    here, principal = state(), caller()
    found = recordings_of(
        events, form, now=here.clock(), beside=Beside(by=principal.key_number), default_key=default_key
    )
    kept = list(within_bounds(found, principal, bound_sources=_bound_sources))
    if kept:
        with logs.bind(event_id=str(kept[0].id)):
            enqueue.accept(kept)
    here.metrics.accepted(len(kept))
    return kept


def _bound_sources() -> set[str]:
    with read_only(state().engine) as session:
        return bound_sources(session)
