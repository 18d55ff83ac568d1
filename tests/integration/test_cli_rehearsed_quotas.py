"""A subscription's own quotas at the terminal: looked at before, and held to what was shown."""

from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.integration.conftest import Cli
from tests.money.test_foreseen_quotas import nothing_stored
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction

CREATE = ("quotas", "create", "--plan", "business", "--usage-type", "assessment", "--limit", "10", "--unit-price", "20",
          "--reprice-usage")  # fmt: skip
OWN = (*CREATE, "--subscription", "sub456")


def test_what_it_would_charge_is_shown_and_held_to(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=utc_now(), quantity=60))
    with nothing_stored(world):
        looked = cli(*OWN, "--effective", "period", "--dry-run", "--json").json
        told = cli(*OWN, "--effective", "period", "--dry-run").out
    assert "900" in told
    assert looked["foreseen"]["invoices"][0]["difference"] == "900.00"
    held = (*OWN, "--effective", looked["effectiveAt"])
    wrong = cli(*held, "--expect-digest", "0" * 64)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    done = cli(*held, "--expect-digest", looked["foreseen"]["digest"], "--json")
    assert done.code == 0, done.err
    made = done.json
    assert made["subscriptionId"] == "sub456"
    end = ("quotas", "end", str(made["id"]), "--reprice-usage")
    with nothing_stored(world):
        looked = cli(*end, "--effective", "period", "--dry-run", "--json").json
        assert "-900" in cli(*end, "--effective", "period", "--dry-run").out
    held = (*end, "--effective", looked["effectiveAt"], "--expect-digest")
    assert cli(*held, "0" * 64).code == 2
    assert cli(*held, looked["foreseen"]["digest"], "--json").json["id"] == made["id"]


def test_a_plans_is_shown_by_a_run_and_held_to(cli: Cli, world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=utc_now(), quantity=60))
    for asked, amount in (
        ((*CREATE, "--effective", "period"), "900.00"),
        (("plans", "versions", "create", "business", "--base-fee", "40", "--effective", "period", "--reprice-usage"),
         "40.00"),
    ):  # fmt: skip
        run = cli(*asked, "--dry-run", "--json").json
        assert (run["kind"], run["status"], run["foreseen"]["difference"]) == ("rehearsal", "completed", amount)
        assert cli("runs", "show", run["id"], "--json").json["foreseen"] == run["foreseen"]
        told = cli(*asked, "--dry-run")
        assert (told.code, "sub456" in told.out, amount in told.out) == (0, True, True), told.err
        wrong = cli(*asked, "--expect-digest", "0" * 64)
        assert (wrong.code, wrong.err.count("\n")) == (2, 1)
        done = cli(*asked, "--expect-digest", run["digest"], "--json")
        assert (done.code, done.json["planId"]) == (0, "business"), done.err
    for asked in (("plans", "show", "business"), ("plans", "change", "business", "--name", "New")):
        assert cli(*asked, "--json").json["baseFee"] == "40"
    assert [one["baseFee"] for one in cli("plans", "list", "--json").json] == ["40"]


def test_both_together_are_refused(cli: Cli, world: Engine) -> None:
    for asked in (
        (*OWN, "--dry-run", "--expect-digest", "0" * 64),
        ("quotas", "end", "1", "--dry-run", "--expect-digest", "0" * 64),
        (*CREATE, "--dry-run", "--expect-digest", "0" * 64),
        ("plans", "versions", "create", "business", "--base-fee", "1", "--dry-run", "--expect-digest", "0" * 64),
    ):
        with nothing_stored(world):
            refused = cli(*asked)
        assert (refused.code, refused.err.count("\n")) == (2, 1), asked
