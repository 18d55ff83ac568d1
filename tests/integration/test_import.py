"""``usage-billing import``: the whole of a file or nothing, once however often, whatever is in it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.conftest import Cli
from tests.support.books import Counts, check_books, counts, rows, scalars
from usage_billing.cli.frame.exit_codes import ExitCode

HEADER = "userId,subscriptionId,usageType,quantity,metadata,timestamp,idempotencyKey,source"
LINE: dict[str, Any] = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are."""
    return tmp_path


def jsonl(path: Path, *lines: dict[str, Any] | bytes) -> str:
    """A file of these lines."""
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return str(path)


def csv(path: Path, *lines: str | bytes, header: str = HEADER) -> str:
    """A file of these lines under a header."""
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in (header, *lines)))
    return str(path)


def test_csv_and_json_lines_record_the_same(cli: Cli, world: Engine, folder: Path) -> None:
    fields = {"metadata": {"b": 1.50, "a": "x"}, "timestamp": "2026-03-31T23:30:00-05:00", "idempotencyKey": "k1"}
    file = jsonl(folder / "a.jsonl", LINE | fields | {"source": "s", "quantity": "0.1"})
    same = csv(
        folder / "a.csv",
        'user123,sub456,assessment,0.1,"{""a"": ""x"", ""b"": 1.5}",2026-04-01T04:30:00Z,k1,s',
    )
    assert cli("import", file, "--json").json["recorded"] == 1
    assert cli("import", same, "--json").json == {
        "recorded": 0,
        "duplicates": 1,
        "quarantined": 0,
        "skipped": 0,
        "badLines": [],
    }
    row = rows(world, "SELECT quantity::text, occurred_at, idempotency_key, source, metadata FROM usage")[0]
    assert (row[0], row[1].isoformat()) == ("0.100000000000", "2026-04-01T04:30:00+00:00")
    assert (row[2], row[3], row[4]) == ("k1", "s", {"a": "x", "b": 1.5})


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_same_file_twice_records_nothing_twice(cli: Cli, world: Engine, folder: Path, kind: str) -> None:
    count = 2_500  # three transactions
    if kind == "jsonl":
        file = jsonl(
            folder / "a.jsonl",
            *(LINE | {"subscriptionId": "nobody" if n % 500 == 7 else "sub456"} for n in range(count)),
        )
    else:
        file = csv(
            folder / "a.csv",
            *(f"user123,{'nobody' if n % 500 == 7 else 'sub456'},assessment,1,,,," for n in range(count)),
        )
    first = cli("import", file, "--json")
    assert (first.code, first.json["recorded"], first.json["quarantined"]) == (1, 2495, 5)
    again = cli("import", file, "--json")
    assert (again.code, again.json["recorded"], again.json["duplicates"]) == (0, 0, 2500)
    assert counts(world) == Counts(recorded=2495, duplicates=0, quarantined=5)
    assert scalars(world, "SELECT total::int FROM usage_summaries") == [2495]
    assert len(scalars(world, "SELECT id FROM audit_log WHERE action = 'usage.imported'")) == 3
    check_books(world)


def test_the_same_content_under_another_name_is_the_same_file(cli: Cli, world: Engine, folder: Path) -> None:
    cli("import", jsonl(folder / "a.jsonl", LINE, LINE))
    assert cli("import", jsonl(folder / "b.ndjson", LINE, LINE), "--json").json["duplicates"] == 2
    assert cli("import", jsonl(folder / "c.jsonl", LINE, LINE, LINE), "--json").json["recorded"] == 3


def test_an_import_that_died_is_simply_run_again(
    cli: Cli, world: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.importing import record_file
    from usage_billing.core.errors import Unavailable

    file = jsonl(folder / "a.jsonl", *[LINE] * 2_500)
    real, calls = record_file.import_batch, []

    def dies(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise Unavailable("the database does not answer; try again later")
        return real(*arguments, **named)

    monkeypatch.setattr(record_file, "import_batch", dies)
    answer = cli("import", file)
    assert answer.code == ExitCode.UNANSWERED
    assert "1000 lines are recorded: import the file again" in answer.err
    monkeypatch.undo()
    assert cli("import", file, "--json").json["recorded"] == 1_500
    assert scalars(world, "SELECT total::int FROM usage_summaries") == [2_500]


BAD_JSON: list[tuple[dict[str, Any] | bytes, str]] = [
    (b"not json", "must be a JSON object"),
    (b"[1]", "must be a JSON object"),
    (b'{"userId": "user123"', "must be a JSON object"),
    (b"[" * 5_000, "must be a JSON object"),
    (b"x" * 200_000, "is longer than"),
    (b'{"userId": "\xff"}', "userId must be a text"),
    (LINE | {"quantity": 0}, "quantity must be more than 0"),
    (LINE | {"quantity": -1}, "quantity must not be negative"),
    (LINE | {"quantity": "1e400"}, "quantity must be a decimal number"),
    (LINE | {"quantity": None}, "quantity must be a decimal number"),
    (LINE | {"quantity": True}, "quantity must be a decimal number"),
    (LINE | {"userId": "a b"}, "userId must be 1 to 128"),
    (LINE | {"zone": 1}, "zone is not a field"),
    (LINE | {"timestamp": "2026-01-01T00:00:00"}, "timestamp must carry an offset"),
    (LINE | {"timestamp": "2200-01-01T00:00:00Z"}, "timestamp must lie between"),
    (LINE | {"metadata": [1]}, "metadata must be a JSON object"),
    (LINE | {"metadata": {"a": "\0"}}, "metadata must not contain"),
    ({"quantity": 1}, "userId is required; subscriptionId is required; usageType is required"),
]


@pytest.mark.parametrize(("bad", "said"), BAD_JSON, ids=lambda value: value if isinstance(value, str) else "")
def test_one_bad_line_is_named_and_nothing_is_recorded(
    cli: Cli, world: Engine, folder: Path, bad: dict[str, Any] | bytes, said: str
) -> None:
    file = jsonl(folder / "a.jsonl", LINE, b"", bad, LINE)
    answer = cli("import", file)
    assert (answer.code, answer.out) == (2, "")
    lines = answer.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"line 3: {said}")
    assert lines[1].startswith("usage-billing: 1 lines are bad, nothing was recorded")
    assert counts(world) == Counts(0, 0, 0)
    skipping = cli("import", file, "--skip-bad", "--json")
    assert (skipping.code, skipping.json["recorded"], skipping.json["skipped"]) == (1, 2, 1)
    assert skipping.json["badLines"][0]["line"] == 3
    assert "from a file of their own" in skipping.err


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("user123,sub456,assessment", "has 3 cells under 8 columns"),
        ("user123,sub456,assessment,x,,,,", "quantity must be a decimal number"),
        ("user123,sub456,assessment,,,,,", "quantity is required"),
        ("user123,sub456,assessment,1,{,,,", "metadata must be a JSON object"),
        (b"\xff,sub456,assessment,1,,,,", "is not UTF-8"),
        ('user123,sub456,"assess"ment,1,,,,', "is no CSV"),
        ("x" * 140_000 + ",sub456,assessment,1,,,,", "is no CSV: field larger"),
    ],
    ids=["cells", "decimal", "required", "metadata", "utf8", "quotes", "long"],
)
def test_a_bad_line_of_csv_is_named(cli: Cli, world: Engine, folder: Path, bad: str | bytes, said: str) -> None:
    answer = cli("import", csv(folder / "a.csv", "user123,sub456,assessment,1,,,,", bad))
    assert answer.code == 2
    assert answer.err.startswith(f"line 3: {said}")
    assert counts(world) == Counts(0, 0, 0)


@pytest.mark.parametrize("header", ["", "userId,price", "userId,userId", "user123,sub456,assessment,1", '"userId'])
def test_a_csv_needs_its_header(cli: Cli, world: Engine, folder: Path, header: str) -> None:
    answer = cli("import", csv(folder / "a.csv", "user123,sub456,assessment,1", header=header))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith("usage-billing: line 1 ")


def test_many_bad_lines_are_counted_and_the_first_listed(cli: Cli, world: Engine, folder: Path) -> None:
    answer = cli("import", jsonl(folder / "a.jsonl", *[b"x"] * 100))
    assert len(answer.err.splitlines()) == 21
    assert "100 lines are bad" in answer.err


def test_spreadsheets_marks_and_line_ends_are_taken(cli: Cli, world: Engine, folder: Path) -> None:
    file = folder / "a.csv"
    file.write_bytes(b"\xef\xbb\xbfquantity, userId ,usageType,subscriptionId\r\n2,user123,report,sub456\r\n\r\n")
    assert cli("import", str(file), "--json").json["recorded"] == 1


def test_the_kind_is_said_by_the_name_or_by_the_option(cli: Cli, world: Engine, folder: Path) -> None:
    file = jsonl(folder / "usage.txt", LINE)
    assert cli("import", file).code == 2
    assert cli("import", file, "--format", "jsonl").out.startswith("1 recorded")


def test_an_empty_file_is_no_trouble(cli: Cli, world: Engine, folder: Path) -> None:
    assert cli("import", jsonl(folder / "a.jsonl")).out == "0 recorded, 0 duplicates, 0 quarantined, 0 skipped\n"


def test_a_line_without_a_time_occurred_now(cli: Cli, world: Engine, folder: Path) -> None:
    cli("import", jsonl(folder / "a.jsonl", LINE))
    occurred, received = rows(world, "SELECT occurred_at, received_at FROM usage")[0]
    assert isinstance(occurred, datetime)
    assert occurred == received
    key = scalars(world, "SELECT idempotency_key FROM usage")[0]
    assert key.startswith("import:")
    assert key.endswith(":1")


def test_the_real_program_imports(console: Cli, world: Engine, folder: Path) -> None:
    file = jsonl(folder / "a.jsonl", LINE, LINE | {"subscriptionId": "nobody"})
    answer = console("import", file, "--json")
    assert (answer.code, answer.err) == (1, "")
    assert answer.json["recorded"] == 1
    assert console("import", str(folder / "nothing.csv")).code == 2
    dead = console("import", file, DATABASE_URL="postgresql://u:p@127.0.0.1:1/x")
    assert (dead.code, dead.err.count("\n")) == (ExitCode.UNANSWERED, 1)
