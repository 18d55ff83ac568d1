"""Subscriptions at the terminal: what is planned, taken back, and times in the subscription's own zone."""

from sqlalchemy import Engine

from tests.factories import make_recording, make_subscription, record
from tests.integration.conftest import Cli
from tests.support.books import scalars
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction

BERLIN = ("subscriptions", "pause", "berlin", "--json")


def berlin(world: Engine) -> None:
    with transaction(world) as session:
        make_subscription(session, id="berlin", timezone="Europe/Berlin")


def test_a_time_without_an_offset_is_local(cli: Cli, world: Engine) -> None:
    berlin(world)
    for given, meant in (
        ("2040-07-01", "2040-06-30T22:00:00Z"),
        ("2040-08-01T06:30", "2040-08-01T04:30:00Z"),
        ("2040-09-01T06:30+05:00", "2040-09-01T01:30:00Z"),
    ):
        assert cli("subscriptions", "cancel", "berlin", "--at", given, "--json").json["endedAt"] == meant
        planned = cli("subscriptions", "show", "berlin", "--json").json["scheduled"]
        assert cli("subscriptions", "take-back", "berlin", str(planned[0]["id"])).code == 0
    made = cli("subscriptions", "create", "tokyo", "--customer", "user123", "--plan", "business",
               "--timezone", "Asia/Tokyo", "--started", "2026-01-01", "--json").json  # fmt: skip
    assert made["startedAt"] == "2025-12-31T15:00:00Z"


def test_it_shows_terms_and_what_is_planned_as_tables(cli: Cli, world: Engine) -> None:
    assert "Nothing is planned." in cli("subscriptions", "show", "sub456").out
    assert cli("subscriptions", "pause", "sub456", "--at", "2040-01-01").code == 0
    shown = cli("subscriptions", "show", "sub456").out
    assert "Terms\n" in shown
    assert "Scheduled\n" in shown
    assert shown.count("2040-01-01T00:00:00Z") == 3
    assert "Nothing is planned." not in shown


def test_what_was_used_later_is_taken_back_where_that_is_said(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=utc_now()))
    day = (utc_now().replace(hour=0, minute=0, second=0, microsecond=0)).strftime("%Y-%m-%d")
    refused = cli("subscriptions", "cancel", "sub456", "--at", day)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "1 recordings that count" in refused.err
    done = cli("subscriptions", "cancel", "sub456", "--at", day, "--later-usage", "void", "--json").json
    assert (done["changed"], done["voidedRecordings"]) == (True, 1)
    assert scalars(world, "SELECT count(*) FROM usage_voids") == [1]


def test_those_on_a_plan_are_those_that_are_on_it_now(cli: Cli, world: Engine) -> None:
    assert cli("plans", "create", "gold", "--name", "Gold", "--currency", "USD").code == 0
    assert cli("subscriptions", "change-plan", "sub456", "--plan", "gold", "--at", "2040-01-01").code == 0
    assert cli("subscriptions", "list", "--plan", "gold", "--json").json == []
    (one,) = cli("subscriptions", "list", "--plan", "business", "--json").json
    assert one["planId"] == "business"


def test_a_subscription_is_made_with_terms_of_its_own(cli: Cli, world: Engine) -> None:
    create = ("subscriptions", "create", "contract", "--customer", "user123", "--plan", "business")
    create = (*create, "--started", "2026-01-01")
    quota = '{"usageType": "assessment", "monthlyLimit": 1000, "unitPrice": 0.50}'
    made = cli(*create, "--anchor-day", "15", "--quota", quota, "--json").json
    assert made["anchorDay"] == 15
    (own,) = [one for one in cli("quotas", "list", "--json").json if one["subscriptionId"] == "contract"]
    assert (own["monthlyLimit"], own["unitPrice"], own["effectiveFrom"]) == ("1000", "0.5", "2026-01-01T00:00:00Z")
    for wrong, said in (
        ('{"usageType": "assessment", "monthlyLimit": 1}', "give unitPrice or price"),
        ('{"usageType": "assessment", "monthlyLimit": "x", "unitPrice": 1}', "monthlyLimit"),
        ('{"usageType": "assessment", "unitPrice": 1}', "monthlyLimit: is required"),
        ('{"usageType": "assessment", "monthlyLimit": 1, "unitPrice": 1, "planId": "gold"}', "is not a field"),
    ):
        answer = cli(*create[:2], "other", *create[3:], "--quota", wrong)
        assert (answer.code, answer.err.count("\n")) == (2, 1), wrong
        assert said in answer.err


def test_a_change_is_looked_at_and_then_held_to_that(cli: Cli, world: Engine) -> None:
    looked = cli("subscriptions", "cancel", "sub456", "--at", "2040-01-01", "--dry-run", "--json").json
    assert cli("subscriptions", "show", "sub456", "--json").json["endedAt"] is None
    shown = cli("subscriptions", "cancel", "sub456", "--at", "2040-01-01", "--dry-run").out
    assert "Charges\n" in shown
    assert looked["foreseen"]["digest"] in shown
    refused = cli("subscriptions", "cancel", "sub456", "--at", "2040-01-01", "--expect-digest", "0" * 64)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    both = cli("subscriptions", "cancel", "sub456", "--dry-run", "--expect-digest", "0" * 64)
    assert both.code == 2
    digest = looked["foreseen"]["digest"]
    done = cli("subscriptions", "cancel", "sub456", "--at", "2040-01-01", "--expect-digest", digest, "--json").json
    assert done["endedAt"] == "2040-01-01T00:00:00Z"


def test_a_start_is_moved_in_the_subscriptions_own_zone(cli: Cli, world: Engine) -> None:
    berlin(world)
    moved = cli("subscriptions", "move-start", "berlin", "--to", "2024-01-01", "--json").json
    assert (moved["startedAt"], moved["replayable"]) == ("2023-12-31T23:00:00Z", [])
    assert cli("subscriptions", "move-start", "nobody", "--to", "2024-01-01").code == 3
