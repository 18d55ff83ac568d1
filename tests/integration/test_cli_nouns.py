"""The commands for customers, plans, usage types, quotas, subscriptions, invoices, runs and migrate."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.integration.conftest import Bill, Cli, environment_of
from tests.support.books import check_billed, scalars
from tests.support.databases import Databases
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.db.session import transaction
from usage_billing.settings import Settings

QUOTA = ("quotas", "create", "--plan", "business", "--usage-type", "assessment")


def test_the_founding_documents_world_is_made_by_hand(cli: Cli, engine: Engine) -> None:
    assert cli("customers", "create", "user123", "--name", "Ann").code == 0
    assert cli("plans", "create", "business", "--name", "Business", "--currency", "USD").code == 0
    assert cli("usage-types", "create", "assessment").code == 0
    assert cli(*QUOTA, "--limit", "50", "--unit-price", "10.00").code == 0
    made = cli(
        *("subscriptions", "create", "sub456", "--customer", "user123", "--plan", "business"),
        *("--started", "2026-01-01", "--timezone", "Europe/Berlin", "--json"),
    )
    shown = made.json
    assert shown.pop("createdAt")
    assert shown == {
        "id": "sub456",
        "userId": "user123",
        "planId": "business",
        "startedAt": "2025-12-31T23:00:00Z",  # a day of the subscription's zone
        "endedAt": None,
        "timezone": "Europe/Berlin",
        "anchor": "calendar",
        "anchorDay": None,
        "scheduled": [],
        "terms": [{"planId": "business", "startsAt": "2025-12-31T23:00:00Z", "endsAt": None, "paused": False}],
    }
    actions = scalars(engine, "SELECT action FROM audit_log ORDER BY id")
    assert actions == [
        "customer.created",
        "plan.created",
        "usage_type.created",
        "quota.defined",
        "subscription.created",
    ]
    assert all(actor.startswith("cli") for actor in scalars(engine, "SELECT actor FROM audit_log"))


@pytest.mark.parametrize("noun", ["customers", "plans", "usage-types", "quotas", "subscriptions"])
def test_lists_are_for_people_and_for_programs(cli: Cli, world: Engine, noun: str) -> None:
    table, data = cli(noun, "list"), cli(noun, "list", "--json")
    assert (table.code, data.code) == (0, 0)
    assert isinstance(data.json, list)
    assert str(data.json[0]["id"]) in table.out
    shown = cli(noun, "show", str(data.json[0]["id"]), "--json")
    assert shown.json == data.json[0]


@pytest.mark.parametrize(
    "noun", ["customers", "plans", "usage-types", "quotas", "subscriptions", "keys", "invoices", "runs", "quarantine"]
)
def test_an_empty_list_says_so_to_people_and_is_empty_for_programs(cli: Cli, noun: str) -> None:
    answer = cli(noun, "list")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 1
    assert cli(noun, "list", "--json").json == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("invoices list --subscription sub456 --status draft", "No invoices fit --subscription sub456 --status draft."),
        ("invoices list --customer user123", "No invoices fit --customer user123."),
        ("subscriptions list --customer u --plan p", "No subscriptions fit --customer u --plan p."),
        ("quotas list --plan business", "No quotas fit --plan business."),
        ("quarantine list --reason wrong_customer", "Nothing is open in quarantine as wrong_customer."),
    ],
)
def test_where_none_fits_what_was_asked_nobody_is_told_that_there_are_none(cli: Cli, asked: str, said: str) -> None:
    assert cli(*asked.split()).out == f"{said}\n"
    assert cli(*asked.split(), "--json").json == []


def test_a_list_that_is_cut_off_says_so(cli: Cli) -> None:
    for name in "abc":
        cli("customers", "create", name, "--name", name)
    answer = cli("customers", "list", "--limit", "2", "--json")
    assert [customer["id"] for customer in answer.json] == ["a", "b"]
    assert "--limit" in answer.err
    assert cli("customers", "list", "--limit", "3", "--json").err == ""


def test_what_a_terminal_would_obey_is_spelled_out(cli: Cli, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO customers (id, name) VALUES ('evil', E'\\x1b[2Jgone')")
    assert "\\x1b[2Jgone" in cli("customers", "list").out
    assert "\x1b" not in cli("customers", "show", "evil").out


def test_changes(cli: Cli, world: Engine) -> None:
    assert cli("plans", "change", "business", "--name", "B2", "--json").json["name"] == "B2"
    assert cli("usage-types", "change", "report", "--unit-name", "page", "--json").json["unitName"] == "page"
    changed = cli("customers", "change", "user123", "--name", "Bea", "--email", "bea@example.com", "--json").json
    assert (changed["name"], changed["email"]) == ("Bea", "bea@example.com")
    assert cli("customers", "change", "user123", "--no-email", "--json").json["email"] is None
    ended = cli("subscriptions", "end", "sub456", "--at", "2026-12-01T00:00:00+01:00", "--json").json
    assert ended["endedAt"] == "2026-11-30T23:00:00Z"


MISSING = re.compile(r"there is no(?!w)(?! revision)|there is nothing")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("customers", "create", "user123", "--name", "x"), "there is a customer user123 already"),
        (("customers", "show", "nobody"), "there is no customer nobody"),
        (("customers", "change", "nobody", "--name", "x"), "there is no customer nobody"),
        (("plans", "create", "gold", "--name", "x", "--currency", "XAU"), "--currency: must be an ISO 4217 currency"),
        (("plans", "show", "nothing"), "there is no plan nothing"),
        (("usage-types", "show", "nothing"), "there is no usage type nothing"),
        (("usage-types", "create", "x", "--aggregation", "max"), "--aggregation: only sum"),
        (("quotas", "show", "999999"), "there is no quota 999999"),
        ((*QUOTA, "--limit", "1", "--price", '{"model": "free"}'), "--price model: must be one of"),
        (
            ("quotas", "create", "--plan", "x", "--usage-type", "report", "--limit", "1", "--unit-price", "1"),
            "--plan: there is no plan x",
        ),
        (
            ("subscriptions", "create", "s", "--customer", "x", "--plan", "business"),
            "--customer: there is no customer x",
        ),
        (
            ("subscriptions", "create", "s", "--customer", "user123", "--plan", "business", "--timezone", "Mars"),
            "--timezone: must be an IANA time zone",
        ),
        (("subscriptions", "end", "sub456", "--at", "1999-01-01"), "the subscription has not started by then"),
        (("subscriptions", "show", "nothing"), "there is no subscription nothing"),
        (("invoices", "show", "INV-00000009"), "there is no invoice INV-00000009"),
        (("invoices", "show", "00000000-0000-7000-8000-000000000000"), "there is no invoice"),
        (("runs", "show", "00000000-0000-7000-8000-000000000000"), "there is no billing run"),
        (("quarantine", "show", "00000000-0000-7000-8000-000000000000"), "there is nothing quarantined"),
        (("bill", "--subscription", "nothing"), "--subscription: there is no subscription nothing"),
        (("bill", "--as-of", "2199-01-01"), "--as-of: must not be in the future"),
        (("verify", "--subscription", "nothing"), "there is no subscription nothing"),
        (("migrate", "--to", "9999"), "there is no revision 9999"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_flows_refuse_is_one_line_and_exits_2_or_3(
    cli: Cli, world: Engine, arguments: tuple[str, ...], said: str
) -> None:
    code = ExitCode.NOT_THERE if MISSING.search(said) else ExitCode.REFUSED
    answer = cli(*arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (code, "", 1)
    assert answer.err.startswith(f"usage-billing: {said}")


def test_a_second_quota_is_a_new_version(cli: Cli, world: Engine) -> None:
    made = cli(*QUOTA, "--limit", "none", "--unit-price", "0.000000000001", "--json").json
    assert (made["version"], made["monthlyLimit"], made["price"]["unitPrice"]) == (2, None, "0.000000000001")
    assert [quota["version"] for quota in cli("quotas", "list", "--json").json] == [2]
    everything = cli("quotas", "list", "--plan", "business", "--all", "--json").json
    assert [(quota["version"], quota["effectiveUntil"] is None) for quota in everything] == [(1, False), (2, True)]


def test_a_price_as_json_keeps_the_decimal_it_spells(cli: Cli, world: Engine) -> None:
    price = '{"model": "graduated", "tiers": [{"upTo": 10, "unitPrice": 0.1}, {"upTo": null, "unitPrice": "0.05"}]}'
    made = cli(*QUOTA, "--limit", "0", "--price", price, "--json")
    assert [tier["unitPrice"] for tier in made.json["price"]["tiers"]] == ["0.1", "0.05"]


def test_bill_then_look_at_runs_and_invoices(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, *(make_recording(now=datetime(2026, 6, 15, tzinfo=UTC)) for _ in range(53)))
    rehearsed = cli("bill", "--dry-run", "--json").json
    assert cli("invoices", "list", "--json").json == []
    said = cli("bill")
    assert said.code == 0
    assert "30.00 USD" in said.out
    run = cli("runs", "list", "--json").json[0]
    assert (run["status"], run["items"], run["amounts"]) == ("completed", 1, {"USD": "30.00"})
    assert run["requestedBy"].startswith("cli")
    assert run["digest"] == rehearsed["digest"]
    assert cli("runs", "show", run["id"], "--json").json["slicesDone"] == 2  # billing, and making final
    assert rehearsed["id"] in cli("runs", "list", "--wide").out
    for _ in range(2):
        assert cli("bill", "--subscription", "sub456", "--json").json["items"] == 0
    invoices = cli("invoices", "list", "--subscription", "sub456", "--customer", "user123", "--json").json
    assert [invoice["total"] for invoice in invoices] == ["30.00"]
    shown = cli("invoices", "show", invoices[0]["id"], "--json").json
    assert [(item["quantity"], item["unitPrice"], item["amount"]) for item in shown["items"]] == [("3", "10", "30.00")]
    assert "3 assessment beyond the allowance" in cli("invoices", "show", invoices[0]["id"]).out


def test_bill_started_four_times_at_once_charges_once(world: Engine, settings: Settings, tmp_path: Path) -> None:
    with transaction(world) as session:
        record(session, *(make_recording(now=datetime(2026, month, 9, tzinfo=UTC), quantity=53) for month in (6, 7, 8)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "usage_billing", "bill", "--json"],
            env=environment_of(settings, tmp_path),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, said, strict=True)] == [(0, "")] * 4
    assert sum(json.loads(out)["finalized"] for out, _ in said) == 3
    assert scalars(world, "SELECT total::text FROM invoices") == ["30.0000"] * 3
    check_billed(world)


def test_a_finalized_invoice_is_found_by_its_number(cli: Cli, world: Engine, bill: Bill) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=datetime(2026, 6, 15, tzinfo=UTC), quantity=53))
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    for name in ("INV-00000001", "inv-00000001", "1"):
        assert cli("invoices", "show", name, "--json").json["number"] == "INV-00000001"
    assert cli("invoices", "list", "--status", "draft", "--json").json == []
    assert len(cli("invoices", "list", "--status", "finalized", "--json").json) == 1


def test_migrate_up_down_and_up_again(program: Cli, databases: Databases) -> None:
    url = databases.bare().replace("+psycopg", "")
    first = program("migrate", "--json", DATABASE_URL=url)
    assert first.code == 0
    head = first.json["after"]
    assert first.json["before"] == "base"
    assert "Nothing to do" in program("migrate", DATABASE_URL=url).out
    assert program("migrate", "--to", "0002", "--json", DATABASE_URL=url).json == {"before": head, "after": "0002"}
    assert program("migrate", "--to", "base", DATABASE_URL=url).out == "Migrated from 0002 to base.\n"
    assert program("migrate", DATABASE_URL=url).out == f"Migrated from base to {head}.\n"


def test_going_back_names_what_it_would_delete_and_asks_for_yes(program: Cli, databases: Databases) -> None:
    url = databases.bare().replace("+psycopg", "")
    program("migrate", DATABASE_URL=url)
    for name in ("a", "b"):
        assert program("customers", "create", name, "--name", name, DATABASE_URL=url).code == 0
    asked = program("migrate", "--to", "base", DATABASE_URL=url)
    assert (asked.code, asked.out, asked.err.count("\n")) == (2, "", 1)
    assert "going back to base needs --yes, because it deletes " in asked.err
    assert "customers (2 rows)" in asked.err
    assert "audit_log (2 rows)" in asked.err
    assert "plans" not in asked.err  # nothing is in it
    assert len(program("customers", "list", "--json", DATABASE_URL=url).json) == 2
    kept = program("migrate", "--to", "0013", DATABASE_URL=url)  # takes back only tables that are empty
    assert kept.code == 0
    gone = program("migrate", "--to", "base", "--yes", DATABASE_URL=url)
    assert gone.code == 0
    assert "Deleting " in gone.err
    assert "customers (2 rows)" in gone.err


def test_the_real_program_prints_json_and_nothing_else(console: Cli, world: Engine) -> None:
    answer = console("plans", "list", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json[0]["id"] == "business"


def test_migrate_lets_the_configured_keys_hold(program: Cli, databases: Databases) -> None:
    keys = {"USAGE_BILLING_ADMIN_KEY": "an-admin-key-of-ours", "INTERNAL_API_KEY": "a-service-key-of-ours"}
    url = databases.bare()
    for _ in range(2):
        assert program("migrate", DATABASE_URL=url, **keys).code == 0
    listed = program("keys", "list", "--json", DATABASE_URL=url).json
    found = {key["name"]: key["scopes"] for key in listed}
    assert found == {"admin": ["admin"], "internal": ["billing:run", "usage:read", "usage:write"]}


def test_migrate_without_the_secret_that_keys_are_kept_under_says_so(program: Cli, databases: Databases) -> None:
    url, key = databases.bare(), "a-service-key-of-ours"
    answer = program("migrate", DATABASE_URL=url, INTERNAL_API_KEY=key, USAGE_BILLING_SECRET="")
    assert (answer.code, answer.out) == (2, "")
    assert "USAGE_BILLING_SECRET is not set" in answer.err
