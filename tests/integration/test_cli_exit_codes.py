"""What the exit code of a command tells a script: one command for each kind of end."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from tests.factories import make_recording, record
from tests.integration.conftest import Cli
from usage_billing.cli.frame.errors import code_of
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Conflict, InvalidInput, NotFound, Unavailable, UsageBillingError
from usage_billing.db.session import transaction

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://u:p@127.0.0.1:1/x"
UNKNOWN_ID = "00000000-0000-7000-8000-000000000000"

ENDS = [
    (ExitCode.DONE, ("plans", "list")),
    (ExitCode.DONE, ("verify",)),
    (ExitCode.DONE, ("bill",)),
    (ExitCode.REFUSED, ("plans",)),
    (ExitCode.REFUSED, ("plans", "show")),
    (ExitCode.REFUSED, ("plans", "create", "business", "--name", "Again", "--currency", "USD")),
    (ExitCode.REFUSED, ("subscriptions", "pause", "sub456", "--at", "1999-01-01")),
    (ExitCode.REFUSED, ("prices", "preview", "--quantity", "1", "--currency", "XXX", "--price", "{}")),
    (ExitCode.NOT_THERE, ("customers", "show", "eva")),
    (ExitCode.NOT_THERE, ("usage", "show", UNKNOWN_ID)),
    (ExitCode.NOT_THERE, ("usage", "void", UNKNOWN_ID, "--reason", "none")),
    (ExitCode.NOT_THERE, ("quarantine", "replay", UNKNOWN_ID)),
    (ExitCode.NOT_THERE, ("keys", "revoke", "ub_12345678")),
    (ExitCode.NOT_THERE, ("runs", "show", UNKNOWN_ID)),
    (ExitCode.NOT_THERE, ("bill", "--subscription", "sub0")),
    (ExitCode.NOT_THERE, ("subscriptions", "create", "s", "--customer", "eva", "--plan", "business")),
    (ExitCode.NOT_THERE, ("subscriptions", "change-plan", "sub456", "--plan", "gold")),
]


@pytest.mark.parametrize(
    ("code", "arguments"), ENDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_each_end_has_its_code(cli: Cli, world: Engine, code: ExitCode, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == code


def test_what_was_found_on_the_way_is_1(cli: Cli, world: Engine, tmp_path: Path) -> None:
    line = {"userId": "user123", "subscriptionId": "sub0", "usageType": "assessment", "quantity": "1"}
    file = tmp_path / "usage.jsonl"
    file.write_text(json.dumps(line) + "\n{}\n")
    assert cli("import", str(file), "--skip-bad").code == ExitCode.FINDINGS  # quarantined, and a skipped line
    assert cli("import", str(file)).code == ExitCode.REFUSED
    assert cli("quarantine", "replay", "--all").code == ExitCode.FINDINGS
    with transaction(world) as session:
        record(session, make_recording(now=utc_now(), quantity=7))
        session.execute(text("UPDATE usage_summaries SET total = total + 1"))
    assert cli("verify").code == ExitCode.FINDINGS


@pytest.mark.parametrize("arguments", [("runs", "list"), ("bill",), ("verify",), ("migrate",)], ids=" ".join)
def test_a_part_that_does_not_answer_is_4(program: Cli, arguments: tuple[str, ...]) -> None:
    assert program(*arguments, DATABASE_URL=NOWHERE).code == ExitCode.UNANSWERED


def test_a_doctor_that_finds_a_dead_database_says_so(console: Cli) -> None:
    assert console("doctor", DATABASE_URL=NOWHERE).code == ExitCode.UNANSWERED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageBillingError("x"), ExitCode.REFUSED),
        (Conflict("x"), ExitCode.REFUSED),
        (NotFound("x"), ExitCode.NOT_THERE),
        (Unavailable("x"), ExitCode.UNANSWERED),
        (InvalidInput.field("/planId", "x", code="unknown_plan"), ExitCode.NOT_THERE),
        (InvalidInput.field("/currency", "x", code="unknown_currency"), ExitCode.REFUSED),
        (InvalidInput("x"), ExitCode.REFUSED),
        (OperationalError("x", {}, Exception()), ExitCode.UNANSWERED),
        (InterfaceError("x", {}, Exception()), ExitCode.UNANSWERED),
        (IntegrityError("x", {}, Exception()), ExitCode.REFUSED),
        (ConnectionRefusedError(), ExitCode.UNANSWERED),
        (FileNotFoundError(), ExitCode.REFUSED),
        (RuntimeError("a bug"), ExitCode.REFUSED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_has_its_code(error: Exception, code: ExitCode) -> None:
    assert code_of(error) == code


def test_the_numbers_stand_for_ever_and_in_the_documentation() -> None:
    table = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Exit codes")[2]
    documented = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert documented == [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 130, 141]


def test_no_command_spells_a_number_of_its_own() -> None:
    spelled = re.compile(r"\bexit\((?!code\b|ExitCode\b)|return (?:1|2|3|4|130|141)$", re.IGNORECASE | re.MULTILINE)
    found = [str(path) for path in (ROOT / "usage_billing" / "cli").rglob("*.py") if spelled.search(path.read_text())]
    assert found == []
