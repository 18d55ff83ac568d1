"""The search for the harmful entry: interrupted at any point, it accuses no innocent one."""

from datetime import datetime

import pytest
from sqlalchemy import Engine

from tasks.draining.alone import record_one_by_one
from tasks.draining.drain import drain_shard
from tasks.inbox.protocol import Inbox
from tests.factories import make_recording, make_world
from tests.support.books import Counts, check_books, counts
from usage_billing.db.session import transaction


@pytest.mark.parametrize("done", range(5))
def test_a_search_that_ends_before_its_end_accuses_nobody(
    done: int, inbox: Inbox, engine: Engine, now: datetime
) -> None:
    """A worker that is asked to stop, or whose turn is over, is not one that died."""
    with transaction(engine) as session:
        make_world(session)
    sent = [make_recording(now=now, key=str(number)) for number in range(6)]
    shard = sent[0].shard
    for start in (0, 2, 4):
        inbox.append(sent[start : start + 2])
    entries = inbox.read(shard, at_most=100)
    for _ in range(4):
        inbox.take(shard, entries[0])
    left = iter(range(done))
    taken = record_one_by_one(shard, entries, inbox=inbox, engine=engine, is_over=lambda: next(left, None) is None)
    assert taken <= done
    assert drain_shard(shard, inbox=inbox, engine=engine) == 6 - taken
    assert counts(engine) == Counts(6, 0, 0)
    check_books(engine)
