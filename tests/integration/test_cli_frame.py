"""The frame of the command line: help, wrong arguments, dead databases, closed pipes, Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sqlalchemy import Engine

from tests.factories import make_customer
from tests.integration.conftest import Cli, environment_of
from tests.support.books import check_books, scalars
from tests.support.databases import Databases
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.naming import called
from usage_billing.cli.group import COMMANDS, command_of, usage_billing
from usage_billing.db.session import transaction
from usage_billing.settings import Settings


def every_command() -> Iterator[tuple[str, ...]]:
    """The names of all commands and of what is below them."""
    context = click.Context(usage_billing)
    for name in usage_billing.list_commands(context):
        command = usage_billing.get_command(context, name)
        assert command is not None, name
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.list_commands(context))


ALL = list(every_command())
GIVEN_ID = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_every_help_says_what_it_does_and_ends_with_an_example(cli: Cli, names: tuple[str, ...]) -> None:
    answer = cli(*names, "--help")
    assert answer.code == 0
    assert answer.err == ""
    lines = answer.out.rstrip().splitlines()
    examples = lines[next(at for at, line in enumerate(lines) if line.strip() == "Example:") :]
    assert len(examples) > 1
    assert all("usage-billing " + " ".join(names[:1]) in line for line in examples[1:])


def test_the_help_lists_every_command(cli: Cli) -> None:
    answer = cli("--help")
    assert all(f"  {name} " in answer.out for name in COMMANDS)


def test_help_of_the_real_program_imports_no_command(console: Cli, tmp_path: Path) -> None:
    code = (
        "import sys; from usage_billing.cli.group import run; run(['--help']);"
        " print([m for m in sys.modules if m in ('sqlalchemy', 'rich', 'alembic')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.strip() == "[]"
    assert "Commands:" in done.stdout
    assert console("--version").out.startswith("usage-billing")


WRONG = [
    ("nonsense",),
    ("plans",),
    ("plans", "nonsense"),
    ("plans", "create"),
    ("plans", "create", "business"),
    ("plans", "show"),
    ("plans", "show", "a b"),
    ("plans", "list", "--limit", "0"),
    ("plans", "list", "--limit", "many"),
    ("plans", "list", "--colour"),
    ("customers", "create", "ann", "--name", ""),
    ("customers", "create", "ann", "--name", "a\x1b[2Jb"),
    ("customers", "create", "ann", "--name", "Ann", "--email", "nobody"),
    ("customers", "change", "ann"),
    ("credits", "give", "ann", "--amount", "-1", "--currency", "USD", "--reason", "sorry"),
    ("credits", "give", "ann", "--amount", "1", "--currency", "USD"),
    ("credits", "show"),
    ("customers", "change", "ann", "--email", "a@b.c", "--no-email"),
    ("quotas", "create", "--plan", "business", "--usage-type", "report", "--limit", "1"),
    ("quotas", "create", "--plan", "p", "--usage-type", "r", "--limit", "-1", "--unit-price", "1"),
    ("quotas", "create", "--plan", "p", "--usage-type", "r", "--limit", "NaN", "--unit-price", "1"),
    ("quotas", "create", "--plan", "p", "--usage-type", "r", "--limit", "1", "--unit-price", "1e400"),
    ("quotas", "create", "--plan", "p", "--usage-type", "r", "--limit", "1", "--price", "[1]"),
    ("quotas", "create", "--plan", "p", "--usage-type", "r", "--limit", "1", "--price", "{", "--unit-price", "1"),
    ("subscriptions", "create", "s", "--customer", "c", "--plan", "p", "--started", "tomorrow"),
    ("keys", "create", "--name", "x"),
    ("keys", "create", "--name", "x", "--scope", "everything"),
    ("keys", "rotate", "ub_12345678", "--overlap", "soon"),
    ("keys", "token"),
    ("invoices", "show", "x/y"),
    ("runs", "show", "1"),
    ("quarantine", "replay"),
    ("quarantine", "replay", GIVEN_ID, "--all"),
    ("quarantine", "discard", "--reason", "wrong_customer"),
    ("quarantine", "discard", GIVEN_ID, "--reason", "wrong_customer"),
    ("bill", "--as-of", "yesterday"),
    ("import", "/does/not/exist.csv"),
    ("import", "/"),
    ("verify", "--subscription", "a b"),
    ("simulate", "--timeout", "0"),
    ("doctor", "now"),
    ("migrate", "--to"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_arguments_are_one_line_and_exit_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    if len(arguments) == 1 and arguments[0] in COMMANDS and arguments[0] != "nonsense":
        assert "Commands:" in answer.out  # a group alone shows what is in it
    else:
        assert answer.out == ""
        assert answer.err.startswith("usage-billing: ")
        assert answer.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("nonsense",), ("plans", "list", "--limit", "0"), ("runs", "show", "1")])
def test_the_real_program_refuses_wrong_arguments_in_one_line(console: Cli, arguments: tuple[str, ...]) -> None:
    answer = console(*arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)


DATABASE_COMMANDS = [
    ("plans", "list"),
    ("customers", "create", "ann", "--name", "Ann"),
    ("keys", "list", "--json"),
    ("credits", "show", "ann"),
    ("bill",),
    ("verify",),
    ("migrate",),
    ("quarantine", "replay", "--all"),
]


@pytest.mark.parametrize("arguments", DATABASE_COMMANDS, ids=" ".join)
def test_a_dead_database_is_one_line_without_its_password(program: Cli, arguments: tuple[str, ...]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://somebody:geheim@127.0.0.1:{unused.getsockname()[1]}/usage"
        answer = program(*arguments, DATABASE_URL=url)
    assert (answer.code, answer.out) == (ExitCode.UNANSWERED, "")
    assert answer.err.count("\n") == 1
    assert "the database does not answer" in answer.err
    assert "Connection refused" in answer.err
    assert "geheim" not in answer.err


@pytest.mark.parametrize(
    "url", ["postgresql://u:ge@heim@h:5432/x", "postgresql://u:geheim@h:port/x", "mysql://u:geheim@h/x", "nonsense"]
)
def test_a_url_that_is_none_is_one_line_without_its_password(program: Cli, url: str) -> None:
    answer = program("plans", "list", DATABASE_URL=url)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "DATABASE_URL" in answer.err
    assert "heim" not in answer.err


def test_without_a_database_the_way_to_one_is_named(program: Cli) -> None:
    answer = program("plans", "list", DATABASE_URL="")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "usage-billing up" in answer.err


def test_a_database_without_tables_is_sent_to_migrate(program: Cli, databases: Databases) -> None:
    url = databases.bare().replace("+psycopg", "")
    answer = program("plans", "list", DATABASE_URL=url)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "usage-billing migrate" in answer.err


def test_wrong_settings_are_one_line(program: Cli) -> None:
    answer = program("plans", "list", USAGE_BILLING_GRACE_SECONDS="soon")
    assert answer.code == 2
    assert answer.err == "usage-billing: USAGE_BILLING_GRACE_SECONDS must be a whole number, not 'soon'\n"


def test_settings_come_from_a_dotenv_file(program: Cli, settings: Settings, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={settings.database_url}\n")
    assert program("plans", "list", DATABASE_URL="", REDIS_URL="").code == 0


def test_a_closed_pipe_leaves_no_traceback(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    with transaction(engine) as session:
        for number in range(300):
            make_customer(session, id=f"c{number}", name="x" * 200)
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "usage_billing", "customers", "list", "--limit", "1000", "--json"],
        env=environment_of(settings, tmp_path),
        cwd=tmp_path,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    os.read(read, 1)
    os.close(read)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_before_the_start_is_no_trouble(
    settings: Settings, world: Engine, tmp_path: Path, stream: str
) -> None:
    closing = {"stdout": ">&-", "stderr": "2>&-"}[stream]
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m usage_billing plans list {closing}', sys.executable],
        env=environment_of(settings, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_one_line(settings: Settings, world: Engine, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m usage_billing plans list >/dev/full', sys.executable],
        env=environment_of(settings, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "usage-billing: No space left on device\n")


def test_ctrl_c_is_130_without_a_traceback(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE plans IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "usage_billing", "plans", "list"],
            env=environment_of(settings, tmp_path),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not scalars(engine, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == ""


def test_an_error_on_the_way_out_of_ctrl_c_is_still_ctrl_c(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def tidying_up_fails(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("the query could not be cancelled") from None

    monkeypatch.setattr("usage_billing.cli.nouns.plans.reading", tidying_up_fails)
    assert (cli("plans", "list").code, cli("plans", "list").err) == (130, "")


def test_a_bug_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("postgresql://u:geheim@h/x is no password to show\nnor two lines")

    monkeypatch.setattr("usage_billing.cli.nouns.plans.reading", broken)
    answer = cli("plans", "list")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "unexpected RuntimeError" in answer.err
    assert "geheim" not in answer.err


def test_up_calls_a_missing_privilege_for_a_port_that(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.stack import run

    monkeypatch.setattr(run, "obstacle", lambda _: PermissionError(13, "Permission denied"))
    answer = cli("up", "--port", "80", "--home", str(tmp_path / "home"))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "port 80 on 127.0.0.1 needs a privilege that this user does not have" in answer.err


def test_with_json_an_error_is_json_too(cli: Cli, console: Cli, world: Engine) -> None:
    missing = cli("plans", "show", "gold", "--json")
    assert (missing.code, missing.out, missing.err.count("\n")) == (3, "", 1)
    assert json.loads(missing.err) == {"code": "not_found", "detail": "there is no plan gold", "exitCode": 3}
    wrong = cli("plans", "create", "gold", "--name", "Gold", "--currency", "XXX", "--json")
    problem = json.loads(wrong.err)
    assert (problem["exitCode"], [field["pointer"] for field in problem["errors"]]) == (2, ["/currency"])
    assert json.loads(cli("plans", "show", "a b", "--json").err)["code"] == "wrong_arguments"
    dead = console("plans", "list", "--json", DATABASE_URL="postgresql://u:secret-p@127.0.0.1:1/x")
    assert json.loads(dead.err)["exitCode"] == 4
    assert "secret-p" not in dead.err


@pytest.mark.parametrize(
    ("pointer", "arguments", "name"),
    [
        ("/planId", ("quotas", "create"), "--plan"),
        ("/monthlyLimit", ("quotas", "create"), "--limit"),
        ("/price/unitPrice", ("quotas", "create"), "--price unitPrice"),
        ("/unitPrice", ("quotas", "create"), "--unit-price"),
        ("/userId", ("subscriptions", "create", "x"), "--customer"),
        ("/id", ("subscriptions", "create", "x"), "ID"),
        ("/startedAt", ("subscriptions", "create"), "--started"),
        ("/quotas/0/monthlyLimit", ("subscriptions", "create"), "--quota 0 monthlyLimit"),
        ("/own/quotas", ("subscriptions", "change-plan"), "--own-quotas"),
        ("/effectiveFrom", ("usage-types", "change"), "--effective-from"),
        ("/dimensions/1", ("usage-types", "create"), "--dimension 1"),
        ("/scopes", ("keys", "create"), "--scope"),
        ("/paidAt", ("invoices", "pay"), "--paid-at"),
        ("/expectedDigest", ("bill",), "--expect-digest"),
        ("/nothing", ("bill",), "nothing"),
        ("/plan", ("nonsense",), "plan"),
    ],
)
def test_a_wrong_field_is_called_as_its_option_is(pointer: str, arguments: tuple[str, ...], name: str) -> None:
    assert called(pointer, command_of(arguments)) == name


def test_what_is_refused_names_the_option(cli: Cli, world: Engine) -> None:
    quota = ("quotas", "create", "--plan", "gold", "--usage-type", "report", "--limit", "1", "--unit-price", "1")
    assert cli(*quota).err.startswith("usage-billing: --plan: ")
    problem = json.loads(cli(*quota, "--json").err)
    assert problem["detail"].startswith("--plan: ")
    assert problem["errors"][0]["pointer"] == "/planId"


@pytest.mark.parametrize(("typed", "offered"), [("usage-billing pla", "plans"), ("usage-billing plans cr", "create")])
def test_a_shell_may_ask_how_a_word_goes_on(typed: str, offered: str) -> None:
    asked = {"_USAGE_BILLING_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "usage_billing"],
        env={**os.environ, **asked},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"plain,{offered}\n")


RECORDED = (
    *("--customer", "user123", "--subscription", "sub456"),
    *("--usage-type", "assessment", "--quantity", "53"),
)


def test_tables_have_times_to_the_second(cli: Cli, world: Engine) -> None:
    assert cli("usage", "record", *RECORDED, "--timestamp", "2026-06-01T10:00:00.123456Z").code == 0
    assert "2026-06-01T10:00:00Z" in cli("usage", "list", "sub456").out
    assert cli("usage", "list", "sub456", "--json").json[0]["timestamp"] == "2026-06-01T10:00:00.123456Z"


def test_usage_is_recorded_and_listed_by_hand(cli: Cli, world: Engine) -> None:
    first = cli("usage", "record", *RECORDED, "--idempotency-key", "k", "--metadata", '{"a": 1.50}', "--json")
    assert (first.code, first.json["status"], first.json["beyondLimit"]) == (0, "recorded", "3")
    again = cli("usage", "record", *RECORDED, "--idempotency-key", "k", "--metadata", '{"a": 1.5}', "--json")
    assert (again.json["status"], again.json["duplicateOf"]) == ("duplicate", first.json["id"])
    other = cli("usage", "record", *RECORDED[:-1], "1", "--idempotency-key", "k", "--json")
    assert (other.code, other.json["reason"]) == (1, "conflicting_duplicate")
    listed = cli("usage", "list", "sub456", "--usage-type", "assessment", "--json").json
    assert [(row["id"], row["metadata"]) for row in listed] == [(first.json["id"], {"a": 1.5})]
    assert cli("usage", "list", "sub456", "--limit", "1").err == ""
    assert "No recordings fit --usage-type report" in cli("usage", "list", "sub456", "--usage-type", "report").out
    assert cli("usage", "list", "nothing").code == 3
    twice = ("--metadata", '{"a": 1, "a": 2}')
    for wrong in (("--quantity", "0"), ("--timestamp", "now"), ("--metadata", "[1]"), twice, ("--idempotency-key", "")):
        refused = cli("usage", "record", *RECORDED, *wrong)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert scalars(world, "SELECT action FROM audit_log WHERE action = 'usage.recorded'") == ["usage.recorded"] * 3
    check_books(world)
