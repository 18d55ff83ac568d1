"""The ground that the other tests stand on: they find it clean, and really on PostgreSQL and Valkey."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from tasks.inbox.protocol import Inbox
from tests.conftest import Drain
from tests.factories import make_recording, make_world, record
from tests.support.databases import Databases
from usage_billing.audit.service import note
from usage_billing.customers.models import Customer
from usage_billing.db.session import make_engine, read_only, transaction


@pytest.mark.parametrize("time", [1, 2])
def test_a_test_finds_the_database_empty(engine: Engine, now: datetime, time: int) -> None:
    with transaction(engine) as session:
        assert session.scalars(select(Customer)).all() == []
        make_world(session)
        record(session, make_recording(now=now, quantity=53))
        note(session, actor="test", action="plan.created", subject="plan:business", at=now)


@pytest.mark.parametrize("time", [1, 2])
def test_what_a_session_did_is_undone(session: Session, time: int) -> None:
    make_world(session)


def test_the_inbox_drains_into_the_books(engine: Engine, inbox: Inbox, drain: Drain, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
    inbox.append([make_recording(now=now), make_recording(now=now, subscription="nobody")])
    assert drain() == 2
    assert inbox.waiting() == 0
    with read_only(engine) as session:
        assert session.scalar(text("SELECT total FROM usage_summaries")) == 1
        assert session.scalar(text("SELECT reason FROM quarantined_usage")) == "unknown_subscription"


def test_a_test_may_have_a_database_of_its_own(databases: Databases) -> None:
    own = make_engine(databases.migrated())
    with read_only(own) as session:
        assert session.scalar(text("SELECT count(*) FROM usage")) == 0
    own.dispose()
