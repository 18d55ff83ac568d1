"""Accepts the events of other programs, durable before the answer, whatever each of them holds; and finds them."""

from collections.abc import Callable, Iterable

from sqlalchemy.orm import Session

from api import enqueue
from api.auth import caller
from api.bound import bound_to_caller
from api.ingest.foreign import Format, recordings_of
from api.state import state
from usage_billing import logs
from usage_billing.metering.recording import Beside, Recording
from usage_billing.reports.by_key import Keyed, recordings_with_key


def accept_events(
    events: Iterable[bytes], form: Format, *, default_key: Callable[[int], str] = lambda _: ""
) -> list[Recording]:
    """Keep a recording for each event, read or unread; raises Forbidden, or Unavailable when nothing was kept."""
    here = state()
    found = recordings_of(
        events, form, now=here.clock(), beside=Beside(by=caller().key_number), default_key=default_key
    )
    kept = list(bound_to_caller(found))
    if kept:
        with logs.bind(event_id=str(kept[0].id)):
            enqueue.accept(kept)
    here.metrics.accepted(len(kept))
    return kept


def recorded_under(session: Session, key: str, *, seeing_all: bool) -> list[Keyed]:
    """What is in the books under ``key`` and the source of the caller's key.

    Unless ``seeing_all``, only what came with the caller's own key.
    """
    bounds, number = caller().bounds, caller().key_number
    source = "" if bounds is None else bounds.source or ""
    found = recordings_with_key(session, key, source=source)
    return [one for one in found if seeing_all or one.recorded_by == number]
