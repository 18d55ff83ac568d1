"""API keys in the database: shown once, found by their hash, ended by time, rotation or hand."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.support.books import rows, scalars
from usage_billing.access.keys import hash_key, make_key
from usage_billing.access.models import ApiKey
from usage_billing.access.principal import ADMIN, USAGE_READ, USAGE_WRITE
from usage_billing.access.rotation import Rotation
from usage_billing.access.service import authenticate, ensure_key, issue_key, revoke_key, rotate_key
from usage_billing.core.errors import ConfigurationError, Conflict, InvalidInput, NotAuthenticated, NotFound
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction

SECRET = "s" * 32
DAY = timedelta(days=1)


def refused(session: Session, key: str, *, now: datetime, secret: str = SECRET) -> str:
    """The code with which ``key`` is refused."""
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(session, key, secret=secret, now=now)
    assert key not in caught.value.message or not key
    return caught.value.code


def test_a_key_holds_with_its_scopes_and_limit(session: Session, now: datetime) -> None:
    issued = issue_key(session, name="x", scopes=[USAGE_WRITE, USAGE_READ], secret=SECRET, rate_limit=60)
    principal = authenticate(session, issued.text, secret=SECRET, now=now)
    assert principal.scopes == {USAGE_WRITE, USAGE_READ}
    assert (principal.rate_limit, principal.customer_id) == (60, None)
    assert principal.actor == f"key:{issued.text[:11]}"


def test_what_is_stored_of_a_key_is_not_the_key(engine: Engine) -> None:
    with transaction(engine) as session:
        issued = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET)
    stored = " ".join(map(str, rows(engine, "SELECT * FROM api_keys")))
    assert issued.text not in stored
    assert issued.text[12:] not in stored
    assert [bytes(found) for found in scalars(engine, "SELECT hash FROM api_keys")] == [hash_key(issued.text, SECRET)]


@pytest.mark.parametrize("wrong", ["", "x", "ub_abcdefgh_", "\x00", "\ud800", "ä" * 50, "k" * 257, "' OR 1=1 --"])
def test_what_is_no_key_is_refused_and_never_an_error(session: Session, now: datetime, wrong: str) -> None:
    issue_key(session, name="x", scopes=[ADMIN], secret=SECRET)
    assert refused(session, wrong, now=now) == "key_invalid"


def test_a_key_under_another_secret_or_with_another_end_is_refused(session: Session, now: datetime) -> None:
    text = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET).text
    assert refused(session, text, now=now, secret=SECRET + "x") == "key_invalid"
    assert refused(session, text[:12] + make_key()[12:], now=now) == "key_invalid"


def test_a_key_ends_at_its_time_and_not_before(session: Session, now: datetime) -> None:
    text = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET, expires_at=now + DAY).text
    authenticate(session, text, secret=SECRET, now=now + DAY - timedelta(microseconds=1))
    assert refused(session, text, now=now + DAY) == "key_expired"


def test_a_revoked_key_is_refused_and_stays_revoked_from_the_first_time(session: Session, now: datetime) -> None:
    issued = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET)
    revoke_key(session, issued.row.id, now=now)
    assert revoke_key(session, issued.row.id, now=now + DAY).revoked_at == now
    assert refused(session, issued.text, now=now) == "key_revoked"
    with pytest.raises(NotFound):
        revoke_key(session, new_id(), now=now)


def test_old_and_new_hold_side_by_side_until_the_overlap_is_over(session: Session, now: datetime) -> None:
    old = issue_key(session, name="x", scopes=[USAGE_WRITE], secret=SECRET, rate_limit=7)
    new = rotate_key(session, old.row.id, secret=SECRET, rotation=Rotation(overlap=DAY), now=now)
    for text in (old.text, new.text):
        assert authenticate(session, text, secret=SECRET, now=now + DAY / 2).rate_limit == 7
    assert refused(session, old.text, now=now + DAY) == "key_expired"
    assert authenticate(session, new.text, secret=SECRET, now=now + DAY).scopes == {USAGE_WRITE}
    with pytest.raises(Conflict):
        rotate_key(session, old.row.id, secret=SECRET, rotation=Rotation(overlap=DAY), now=now)


def test_rotation_lengthens_the_life_of_the_successor_alone(session: Session, now: datetime) -> None:
    old = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET, expires_at=now + DAY / 2)
    new = rotate_key(
        session, old.row.id, secret=SECRET, rotation=Rotation(overlap=DAY, expires_at=now + 9 * DAY), now=now
    )
    assert (old.row.expires_at, new.row.expires_at) == (now + DAY / 2, now + 9 * DAY)
    with pytest.raises(Conflict):
        rotate_key(session, new.row.id, secret=SECRET, rotation=Rotation(overlap=DAY), now=now + 9 * DAY)


def test_the_last_use_is_noted_to_the_minute(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        text = issue_key(session, name="x", scopes=[ADMIN], secret=SECRET).text
    noted = []
    for seconds in (0, 30, 59, 61, 90, 125):
        with transaction(engine) as session:
            authenticate(session, text, secret=SECRET, now=now + timedelta(seconds=seconds))
        noted += scalars(engine, "SELECT last_used_at FROM api_keys")
    assert [int((at - now).total_seconds()) for at in noted] == [0, 0, 0, 61, 61, 125]


@pytest.mark.parametrize("scopes", [[], ["usage"], ["admin", "root"], [""]])
def test_a_key_needs_scopes_that_exist(session: Session, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput):
        issue_key(session, name="x", scopes=scopes, secret=SECRET)


def test_a_key_of_the_operators_own_holds_and_is_ensured_once(session: Session, now: datetime) -> None:
    key = "an-operators-own-key-of-some-length"
    for _ in range(3):
        ensure_key(session, key, name="admin", scopes=[ADMIN], secret=SECRET)
    principal = authenticate(session, key, secret=SECRET, now=now)
    assert principal.may(ADMIN)
    assert key not in principal.actor


@pytest.mark.parametrize("key", ["short", "x" * 257, "with a\nline break in it", "mit Umlaut ä und mehr"])
def test_a_key_that_is_too_short_or_cannot_be_sent_is_refused_at_the_start(session: Session, key: str) -> None:
    with pytest.raises(ConfigurationError):
        ensure_key(session, key, name="admin", scopes=[ADMIN], secret=SECRET)


def test_a_configured_key_that_was_revoked_stays_revoked(session: Session, now: datetime) -> None:
    key = "an-operators-own-key-of-some-length"
    ensure_key(session, key, name="admin", scopes=[ADMIN], secret=SECRET)
    revoke_key(session, session.scalars(select(ApiKey.id)).one(), now=now)
    ensure_key(session, key, name="admin", scopes=[ADMIN], secret=SECRET)
    assert refused(session, key, now=now) == "key_revoked"
