"""Credentials: how they are given, how often they may fail, how often one may ask."""

import time
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.state import state_of
from tests.conftest import As, Clock, MakeToken
from tests.support.callers import Keys
from usage_billing.access.keys import prefix_of
from usage_billing.access.principal import USAGE_READ

URL = "/api/usage/user/user123"


@pytest.fixture
def headers_of(keys: Keys, make_token: MakeToken) -> dict[str, dict[str, str]]:
    """Ways to say who asks, good and bad."""
    key, other, token = keys.reader, keys.admin, make_token("user123")
    return {
        "x-api-key": {"x-api-key": key},
        "bearer key": {"Authorization": f"Bearer {key}"},
        "bearer in other letters": {"Authorization": f"bEARER   {key} "},
        "both the same": {"x-api-key": key, "Authorization": f"Bearer {key}"},
        "a token": {"Authorization": f"Bearer {token}"},
        "a token in the key's header": {"x-api-key": token},
        "two keys": {"x-api-key": key, "Authorization": f"Bearer {other}"},
        "a key and a token": {"x-api-key": key, "Authorization": f"Bearer {token}"},
        "basic": {"Authorization": f"Basic {key}"},
        "bearer without": {"Authorization": "Bearer"},
        "the key alone": {"Authorization": key},
        "an empty key": {"x-api-key": " "},
        "not ASCII": {"x-api-key": "clé-très-secrète-é"},
    }


@pytest.mark.parametrize(
    ("way", "status"),
    [
        ("x-api-key", 404),
        ("bearer key", 404),
        ("bearer in other letters", 404),
        ("both the same", 404),
        ("a token", 404),
        ("a token in the key's header", 404),
        ("two keys", 401),
        ("a key and a token", 401),
        ("basic", 401),
        ("bearer without", 401),
        ("the key alone", 401),
        ("an empty key", 401),
        ("not ASCII", 401),
    ],
)
def test_a_credential_is_given_one_way_or_another(
    client: FlaskClient, headers_of: dict[str, dict[str, str]], way: str, status: int
) -> None:
    # 404: let in, and there is no such customer.
    assert client.get(URL, headers=headers_of[way]).status_code == status


def test_a_key_in_the_query_is_none(client: FlaskClient, keys: Keys) -> None:
    assert client.get(f"{URL}?api_key={keys.reader}&x-api-key={keys.reader}").status_code == 401


@pytest.fixture(autouse=True)
def a_minute_that_does_not_end(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute by the clock may otherwise end between two requests that are counted together."""
    at = time.time()
    monkeypatch.setattr(state_of(app).rates, "_clock", lambda: at)


def test_a_key_may_ask_so_often_a_minute(call_as: As, keys: Keys) -> None:
    slow = call_as(keys.issue(USAGE_READ, rate_limit=3))
    assert [slow.get(URL).status_code for _ in range(5)] == [404, 404, 404, 429, 429]
    answer = slow.get(URL)
    assert answer.json["code"] == "rate_limited"
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert call_as(keys.reader).get(URL).status_code == 404


def test_a_user_is_limited_as_well(app: Flask, call_as: As, make_token: MakeToken) -> None:
    here = state_of(app)
    before = here.settings
    here.settings = replace(before, rate_limit=2)
    try:
        assert [call_as(make_token("user123")).get(URL).status_code for _ in range(3)] == [404, 404, 429]
    finally:
        here.settings = before


def test_guessing_is_slowed_down_and_known_keys_go_on(app: Flask, client: FlaskClient, call_as: As, keys: Keys) -> None:
    known = call_as(keys.reader)
    assert known.get(URL).status_code == 404
    limit = state_of(app).rates.failures_per_minute
    answers = [client.get(URL, headers={"x-api-key": f"guess-{index}"}) for index in range(limit + 5)]
    assert [answer.status_code for answer in answers] == [401] * limit + [429] * 5
    assert answers[-1].json["code"] == "too_many_failures"
    assert "Retry-After" in answers[-1].headers
    assert known.get(URL).status_code == 404
    assert call_as("eyJhbGciOiJub25lIn0.e30.").get(URL).status_code == 429


def test_others_guesses_lock_no_credential_out_that_holds(
    app: Flask, client: FlaskClient, call_as: As, keys: Keys, make_token: MakeToken
) -> None:
    """Behind a gateway that is not listed all callers share one address."""
    for index in range(state_of(app).rates.failures_per_minute + 1):
        client.get(URL, headers={"x-api-key": f"guess-{index}"})
    state_of(app).keys.clear()  # as after a restart
    assert call_as(keys.reader).get(URL).status_code == 404
    assert call_as(make_token("user123")).get(URL).status_code == 404


def test_a_revoked_key_that_goes_on_being_used_locks_nothing_out_but_itself(
    app: Flask, call_as: As, keys: Keys
) -> None:
    ended = keys.issue(USAGE_READ)
    admin = call_as(keys.admin)
    listed = admin.get("/api/api-keys?limit=100").json["data"]
    prefix = prefix_of(ended, state_of(app).settings.secret)
    id_of_ended = next(key["id"] for key in listed if key["prefix"] == prefix)
    assert call_as(ended).get(URL).status_code == 404
    assert call_as(keys.reader).get(URL).status_code == 404
    known = len(state_of(app).keys._held)
    assert admin.post(f"/api/api-keys/{id_of_ended}/revoke").status_code == 200
    assert len(state_of(app).keys._held) == known - 1
    answers = [call_as(ended).get(URL).status_code for _ in range(state_of(app).rates.failures_per_minute + 2)]
    assert set(answers) == {401, 429}
    assert call_as(keys.reader).get(URL).status_code == 404


def test_the_gateways_word_counts_for_where_a_guess_comes_from(app: Flask, client: FlaskClient) -> None:
    def guess(forwarded: str, remote: str = "127.0.0.1") -> int:
        headers = {"x-api-key": "a-guess-of-somebody", "X-Forwarded-For": forwarded}
        return client.get(URL, headers=headers, environ_base={"REMOTE_ADDR": remote}).status_code

    for _ in range(state_of(app).rates.failures_per_minute):
        guess("203.0.113.5, 198.51.100.7")
    assert guess("198.51.100.7") == 429
    assert guess("198.51.100.8") == 401
    # From elsewhere the header is a stranger's word.
    assert guess("198.51.100.7", remote="192.0.2.1") == 401


def test_listed_gateways_on_other_hosts_are_believed(app: Flask, client: FlaskClient) -> None:
    here = state_of(app)
    before = here.settings
    here.settings = replace(before, trusted_proxies="192.0.2.0/24, 10.0.0.0/8")

    def guess(forwarded: str) -> int:
        headers = {"x-api-key": "a-guess", "X-Forwarded-For": forwarded}
        return client.get(URL, headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code

    try:
        for _ in range(here.rates.failures_per_minute):
            guess("203.0.113.5, 10.1.2.3")
        assert guess("198.51.100.9, 203.0.113.5") == 429  # the same client, by way of another gateway
        assert guess("203.0.113.6, 10.1.2.3") == 401
    finally:
        here.settings = before


def test_a_key_that_ends_opens_nothing_once_the_cache_is_stale(
    app: Flask, call_as: As, keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = call_as(keys.issue(USAGE_READ, expires_at=clock.now.replace(hour=13)))
    assert caller.get(URL).status_code == 404
    clock.advance(hours=1)
    monkeypatch.setattr(state_of(app).keys, "_fresh_seconds", 0)
    assert caller.get(URL).json["code"] == "key_expired"
