"""Lists are narrowed by the same questions at both doors, and each door keeps what it shows unasked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.answers.conftest import Cli

Q, S = "quarantine", "subscriptions"

# (noun over the API, query, noun at the terminal, options, how many of what the books hold)
ASKED = [
    ("customers", "from=2025-01-01T00:00:00Z", "customers", "--from 2025-01-01", 2),
    ("customers", "to=2025-01-01T00:00:00Z", "customers", "--to 2025-01-01", 0),
    ("plans", "from=2025-01-01T00:00:00Z&to=2200-01-01T00:00:00Z", "plans", "--from 2025-01-01 --to 2200-01-01", 2),
    ("plans", "to=2025-01-01T00:00:00Z", "plans", "--to 2025-01-01", 0),
    ("usage-types", "from=2025-01-01T00:00:00Z", "usage-types", "--from 2025-01-01", 2),
    ("usage-types", "to=2025-01-01T00:00:00Z", "usage-types", "--to 2025-01-01", 0),
    (S, "userId=acme", S, "--customer acme", 1),
    (S, "planId=business", S, "--plan business", 1),
    (S, "userId=acme&planId=business", S, "--customer acme --plan business", 0),
    (S, "from=2025-11-01T12:00:00Z", S, "--from 2025-11-01T12:00:00Z", 1),
    (S, "to=2025-11-01T12:00:00Z", S, "--to 2025-11-01T12:00:00Z", 1),
    ("quotas", "planId=gold&current=true", "quotas", "--plan gold", 1),
    ("quotas", "usageType=assessment", "quotas", "--usage-type assessment --all", 2),
    ("quotas", "usageType=assessment&current=true", "quotas", "--usage-type assessment", 1),
    ("quotas", "current=false", "quotas", "--replaced", 1),
    ("quotas", "subscriptionId=sub-acme", "quotas", "--subscription sub-acme", 1),
    (Q, "status=open", Q, "", 1),
    (Q, "status=discarded", Q, "--status discarded", 1),
    (Q, "", Q, "--status any", 2),
    (Q, "reason=unknown_subscription", Q, "--reason unknown_subscription --status any", 1),
    (Q, "userId=acme", Q, "--customer acme --status any", 1),
    (Q, "subscriptionId=nothing", Q, "--subscription nothing", 1),
    (Q, "from=2025-10-14T12:00:00Z", Q, "--from 2025-10-14T12:00:00Z --status any", 1),
    (Q, "to=2025-10-14T12:00:00Z", Q, "--to 2025-10-14T12:00:00Z --status any", 1),
    ("invoices", "userId=acme", "invoices", "--customer acme", 1),
    ("invoices", "subscriptionId=sub456&status=draft", "invoices", "--subscription sub456 --status draft", 1),
    ("invoices", "from=2025-12-01T00:00:00Z", "invoices", "--from 2025-12-01", 1),
    ("invoices", "to=2025-10-01T00:00:00Z", "invoices", "--to 2025-10-01", 0),
]


@pytest.mark.parametrize(("noun", "query", "command", "options", "many"), ASKED, ids=str)
def test_both_doors_are_asked_the_same(
    books: dict[str, str],
    admin: FlaskClient,
    cli: Cli,
    noun: str,
    query: str,
    command: str,
    options: str,
    many: int,
) -> None:
    answer = admin.get(f"/api/{noun}?{query}")
    assert answer.status_code == 200, answer.json
    said = cli(command, "list", *options.split(), "--json")
    assert said.code == 0, said.err
    assert sorted(thing["id"] for thing in answer.json["data"]) == sorted(thing["id"] for thing in said.json)
    assert len(said.json) == many


def _ids(found: Any) -> list[str]:
    return [thing["id"] for thing in found]


def test_the_state_of_a_subscription_is_that_of_now(
    books: dict[str, str], admin: FlaskClient, cli: Cli, clock: Any, now: datetime
) -> None:
    def over_the_api(status: str) -> list[str]:
        return _ids(admin.get(f"/api/subscriptions?status={status}").json["data"])

    assert {status: over_the_api(status) for status in ("active", "paused", "ended")} == {
        "active": ["sub-acme", "sub456"],
        "paused": [],
        "ended": [],
    }
    clock.advance(days=2)  # the pause begins a day after the books
    assert (over_the_api("active"), over_the_api("paused")) == (["sub456"], ["sub-acme"])
    cli("subscriptions", "end", "sub456", "--at", "2026-01-01")
    assert (over_the_api("active"), over_the_api("ended")) == (["sub456"], [])
    clock.now = datetime.fromisoformat("2026-01-01T00:00:00Z")
    assert (over_the_api("active"), over_the_api("ended")) == ([], ["sub456"])
    clock.now = now - timedelta(days=365 * 20)
    assert [over_the_api(status) for status in ("active", "paused", "ended")] == [[], [], []]
    # The terminal asks at its own time, at which the pause lasts.
    for status, found in (("active", []), ("paused", ["sub-acme"]), ("ended", ["sub456"])):
        assert _ids(cli("subscriptions", "list", "--status", status, "--json").json) == found


def test_keys_that_ended_are_revoked_or_expired(
    books: dict[str, str], admin: FlaskClient, cli: Cli, clock: Any, keys: Any
) -> None:
    def over_the_api(query: str) -> set[str]:
        return set(_ids(admin.get(f"/api/api-keys?{query}").json["data"]))

    everything = over_the_api("")
    assert over_the_api("ended=true") == set()
    clock.advance(hours=25)
    assert over_the_api("ended=true") == {books["key"]}
    assert over_the_api("ended=false") == everything - {books["key"]}
    assert books["key"] in over_the_api("scope=usage:read")
    assert over_the_api("scope=billing:run") == set()
    # The terminal asks at its own time, at which both of 2025 have expired.
    ended = set(_ids(cli("keys", "list", "--ended", "--json").json))
    assert ended == over_the_api("scope=usage:read")
    assert set(_ids(cli("keys", "list", "--json").json)) == everything - ended
    assert set(_ids(cli("keys", "list", "--all", "--json").json)) == everything
    assert set(_ids(cli("keys", "list", "--scope", "admin", "--json").json)) == everything - ended


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("plans?from=yesterday", "from"),
        ("customers?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("usage-types?to=2026-01-01", "to"),
        ("subscriptions?status=dead", "status"),
        ("subscriptions?planId=a/b", "planId"),
        ("quotas?current=1", "current"),
        ("quotas?current=True", "current"),
        ("api-keys?ended=maybe", "ended"),
        ("api-keys?scope=everything", "scope"),
        ("quarantine?reason=%00", "reason"),
        ("quarantine?status=lost", "status"),
        ("invoices?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("plans?status=active", "status"),
    ],
)
def test_a_wrong_filter_is_a_problem_of_its_parameter(admin: FlaskClient, path: str, parameter: str) -> None:
    answer = admin.get(f"/api/{path}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [error["parameter"] for error in answer.json["errors"]] == [parameter]


@pytest.mark.parametrize(
    "options",
    [
        "plans list --from yesterday",
        "customers list --from 2026-01-02 --to 2026-01-02",
        "subscriptions list --status dead",
        "subscriptions list --plan a/b",
        "quotas list --all --replaced",
        "keys list --all --ended",
        "keys list --scope everything",
        "quarantine list --status lost",
        "invoices list --from 2026-01-02 --to 2026-01-01",
        "usage-types list --status active",
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(cli: Cli, options: str) -> None:
    answer = cli(*options.split())
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)


def test_an_empty_list_says_what_was_asked(cli: Cli) -> None:
    said: Callable[[str], str] = lambda options: cli(*options.split()).out  # noqa: E731
    assert said("plans list --to 2020-01-01") == "No plans fit --to 2020-01-01T00:00:00Z.\n"
    assert said("quotas list --usage-type report --replaced") == "No quotas fit --replaced --usage-type report.\n"
    assert said("keys list --scope admin") == "No keys fit --scope admin.\n"
    assert said("quarantine list --status any") == "Nothing is in quarantine.\n"
    assert said("quarantine list --customer acme") == "No recordings in quarantine fit --customer acme.\n"
