"""What the first start finds: keys that hold, and in an empty database the example."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from tests.support.books import rows, scalars
from usage_billing.access.service import authenticate, revoke_key
from usage_billing.core.errors import ConfigurationError, NotAuthenticated
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.administration.first_start import Example, prepare

SECRET = "a-secret-for-tests-of-32-characters-or-more"
ADMIN, INTERNAL = "an-admin-key-of-some-length", "a-service-key-of-some-length"


def start(engine: Engine, now: datetime, *, seed: bool = True, admin: str = ADMIN) -> bool:
    """One start of the stack; whether it loaded the example."""
    with transaction(engine) as session:
        found = prepare(session, admin_key=admin, internal_key=INTERNAL, secret=SECRET, seed=seed, now=now)
    return found is Example.LOADED


def test_an_empty_database_gets_the_founding_documents_example(engine: Engine, now: datetime) -> None:
    assert start(engine, now)
    quotas = rows(
        engine,
        "SELECT plan_id, usage_type_id, monthly_limit::int, price->>'unitPrice', unit_name FROM usage_quotas"
        " WHERE usage_type_id = 'assessment'",
    )
    assert [tuple(quota) for quota in quotas] == [("business", "assessment", 50, "10", "assessment")]
    subscription = rows(engine, "SELECT id, customer_id, plan_id, started_at FROM subscriptions")[0]
    assert tuple(subscription) == ("sub456", "user123", "business", datetime(now.year - 1, 1, 1, tzinfo=UTC))
    assert scalars(engine, "SELECT id FROM usage_types ORDER BY id") == ["analysis", "assessment", "report"]


def test_the_configured_keys_hold_with_their_scopes(engine: Engine, now: datetime) -> None:
    start(engine, now)
    with rolled_back(engine) as session:
        assert authenticate(session, ADMIN, secret=SECRET, now=now).scopes == {"admin"}
        service = authenticate(session, INTERNAL, secret=SECRET, now=now)
    assert service.scopes == {"usage:write", "usage:read", "billing:run"}


def test_a_second_start_changes_nothing(engine: Engine, now: datetime) -> None:
    start(engine, now)
    before = rows(engine, "SELECT id, xmin::text FROM api_keys"), scalars(engine, "SELECT count(*) FROM audit_log")
    assert not start(engine, now)
    assert (
        rows(engine, "SELECT id, xmin::text FROM api_keys"),
        scalars(engine, "SELECT count(*) FROM audit_log"),
    ) == before


def test_a_database_in_use_is_not_seeded(world: Engine, now: datetime) -> None:
    assert not start(world, now)
    assert scalars(world, "SELECT id FROM usage_types ORDER BY id") == ["assessment", "report"]


def test_without_seed_it_stays_empty(engine: Engine, now: datetime) -> None:
    assert not start(engine, now, seed=False)
    assert scalars(engine, "SELECT id FROM plans") == []
    assert len(scalars(engine, "SELECT id FROM api_keys")) == 2


def test_two_starts_at_once_seed_once(engine: Engine, now: datetime) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: start(engine, now), range(4))) == [False, False, False, True]
    assert len(scalars(engine, "SELECT id FROM usage_quotas")) == 3


def test_a_revoked_key_is_not_revived(engine: Engine, now: datetime) -> None:
    start(engine, now)
    with transaction(engine) as session:
        revoke_key(session, scalars(engine, "SELECT id FROM api_keys WHERE name = 'admin'")[0], now=now)
    start(engine, now)
    with pytest.raises(NotAuthenticated), rolled_back(engine) as session:
        authenticate(session, ADMIN, secret=SECRET, now=now)


def test_a_key_that_is_none_stops_the_start_and_stores_nothing(engine: Engine, now: datetime) -> None:
    with pytest.raises(ConfigurationError):
        start(engine, now, admin="short")
    assert scalars(engine, "SELECT count(*) FROM api_keys") == [0]
