"""``usage-billing import``: the whole of a file or nothing, once however often, whatever is in it."""

import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.conftest import Answer, Cli
from tests.support.books import Counts, check_books, counts, rows, scalars
from usage_billing.cli.frame.exit_codes import ExitCode

HEADER = "userId,subscriptionId,usageType,quantity,metadata,timestamp,idempotencyKey,source"
LINE: dict[str, Any] = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are."""
    return tmp_path


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand lines in a transaction."""
    from usage_billing.cli.importing import record_file

    monkeypatch.setattr(record_file, "BATCH", 1000)


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
@pytest.mark.usefixtures("small_batches")
def test_the_same_file_twice_records_nothing_twice(cli: Cli, world: Engine, folder: Path, kind: str) -> None:
    count = 2_500  # three transactions, and one for the shard of the lines that are quarantined
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
    assert len(scalars(world, "SELECT id FROM audit_log WHERE action = 'usage.imported'")) == 4
    check_books(world)


def test_the_same_content_under_another_name_is_the_same_file(cli: Cli, world: Engine, folder: Path) -> None:
    cli("import", jsonl(folder / "a.jsonl", LINE, LINE))
    assert cli("import", jsonl(folder / "b.ndjson", LINE, LINE), "--json").json["duplicates"] == 2
    assert cli("import", jsonl(folder / "c.jsonl", LINE, LINE, LINE), "--json").json["recorded"] == 3


@pytest.mark.usefixtures("small_batches")
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

    with monkeypatch.context() as dying:
        dying.setattr(record_file, "import_batch", dies)
        answer = cli("import", file)
    assert answer.code == ExitCode.UNANSWERED
    assert "1000 lines are recorded: import the file again" in answer.err
    assert cli("import", file, "--json").json["recorded"] == 1_500
    assert scalars(world, "SELECT total::int FROM usage_summaries") == [2_500]


def test_ctrl_c_while_a_file_is_checked_says_that_nothing_is_recorded(
    cli: Cli, world: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.importing.source import Source

    def stopped_early(_: Source, **__: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Source, "check", stopped_early)
    answer = cli("import", jsonl(folder / "a.jsonl", LINE))
    assert answer.code == ExitCode.INTERRUPTED
    assert answer.err == "stopped while the file was checked: nothing is recorded; import it again\n\n"


def test_a_key_is_known_across_transactions_and_with_other_content_it_is_no_duplicate(
    cli: Cli, world: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.importing import record_file

    monkeypatch.setattr(record_file, "BATCH", 2)
    at = "2026-05-01T00:00:00Z"
    keys = ["a", "b", "a", "c", "b", "d", "e", "f", "f"]
    lines = [f"user123,sub456,assessment,{1 + (place == 4)},,{at},{key}," for place, key in enumerate(keys)]
    file = csv(folder / "a.csv", *lines)
    dry = cli("import", file, "--dry-run", "--json")
    assert (dry.code, dry.json["new"], dry.json["known"], dry.json["conflicting"]) == (1, 6, 2, 1)
    answer = cli("import", file, "--json")
    assert (answer.code, answer.json["recorded"], answer.json["duplicates"]) == (1, 6, 2)
    assert answer.json["quarantined"] == 1
    check_books(world)
    other = csv(
        folder / "b.csv", *(f"user123,sub456,assessment,{number},,{at},{key}," for number, key in [(1, "a"), (7, "c")])
    )
    assert cli("import", other, "--dry-run").out == f"0 new, 1 known, 1 conflicting, 0 bad, used from {at} to {at}\n"
    answer = cli("import", other, "--json")
    assert (answer.json["recorded"], answer.json["duplicates"], answer.json["quarantined"]) == (0, 1, 1)


BAD_JSON: list[tuple[dict[str, Any] | bytes, str]] = [
    (b"not json", "must be a JSON object"),
    (b"[1]", "must be a JSON object"),
    (b'{"userId": "user123"', "must be a JSON object"),
    (b"[" * 5_000, "must be a JSON object"),
    (b"x" * 200_000, "is longer than"),
    (b'{"userId": "\xff"}', "userId must be a text"),
    (b'{"userId": "a", "quantity": 1, "quantity": 2}', "has the name 'quantity' twice"),
    (b'{"userId": "a", "metadata": {"b": [{"c": 1, "c": 1}]}}', "has the name 'c' twice"),
    (LINE | {"quantity": 0}, "quantity must be more than 0"),
    (LINE | {"quantity": -1}, "quantity must not be negative"),
    (LINE | {"quantity": "1e400"}, "quantity must be at most"),
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
        ('user123,sub456,assessment,1,"{""a"": 1, ""a"": 2}",,,', "metadata has the name 'a' twice"),
        ('user123,sub456,"assess"ment,1,,,,', "is no CSV"),
        ('user123,"sub456,assessment,1,,,,', "has a quotation mark that is not closed"),
        ("x" * 140_000 + ",sub456,assessment,1,,,,", "is longer than 131072 characters"),
    ],
    ids=["cells", "decimal", "required", "metadata", "utf8", "names", "quotes", "unclosed", "long"],
)
def test_a_bad_line_of_csv_is_named(cli: Cli, world: Engine, folder: Path, bad: str | bytes, said: str) -> None:
    answer = cli("import", csv(folder / "a.csv", "user123,sub456,assessment,1,,,,", bad))
    assert answer.code == 2
    assert answer.err.startswith(f"line 3: {said}")
    assert counts(world) == Counts(0, 0, 0)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "line 1 names no column:"),
        ("userId,price", "line 1 names the column 'price', which is no field:"),
        ("userId,quantity,userId", "line 1 names the column 'userId' twice:"),
        ("user123,sub456,assessment,1", "line 1 names the column 'user123', which is no field:"),
        ('"userId', "line 1 is no CSV header:"),
    ],
)
def test_a_csv_needs_its_header(cli: Cli, world: Engine, folder: Path, header: str, said: str) -> None:
    answer = cli("import", csv(folder / "a.csv", "user123,sub456,assessment,1", header=header))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith(f"usage-billing: {said}")


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
    timed = LINE | {"timestamp": "2026-06-01T00:00:00Z"}
    file = jsonl(folder / "a.jsonl", timed, timed | {"subscriptionId": "nobody"})
    answer = console("import", file, "--json")
    assert (answer.code, answer.err) == (1, "")
    assert answer.json["recorded"] == 1
    assert console("import", str(folder / "nothing.csv")).code == 2
    dead = console("import", file, DATABASE_URL="postgresql://u:p@127.0.0.1:1/x")
    assert (dead.code, dead.err.count("\n")) == (ExitCode.UNANSWERED, 1)


AT = "2026-06-01T10:00:00Z"
ROW = f"user123,sub456,assessment,1,,{AT},,"


def test_one_stray_quotation_mark_costs_its_own_line(cli: Cli, world: Engine, folder: Path) -> None:
    good = [f"user123,sub456,assessment,1,,2026-06-01T00:{n // 60:02}:{n % 60:02}Z,," for n in range(3_000)]
    file = csv(folder / "a.csv", *good[:10], 'user123,"sub456,assessment,1,,,,', *good[10:])
    answer = cli("import", file, "--skip-bad", "--json")
    assert (answer.code, answer.json["recorded"], answer.json["skipped"]) == (1, 3_000, 1)
    assert answer.json["badLines"] == [{"line": 12, "reason": "has a quotation mark that is not closed"}]
    assert scalars(world, "SELECT total::int FROM usage_summaries") == [3_000]


def test_two_stray_quotation_marks_cost_their_own_lines(cli: Cli, world: Engine, folder: Path) -> None:
    stray = f'user123,sub456,assessment,1,"{{,{AT},,'
    file = csv(folder / "a.csv", ROW, stray, ROW, ROW, stray, ROW)
    answer = cli("import", file, "--skip-bad", "--json")
    assert [line["line"] for line in answer.json["badLines"]] == [3, 6]
    assert answer.json["recorded"] == 4


def test_metadata_may_go_over_several_lines(cli: Cli, world: Engine, folder: Path) -> None:
    spread = f'user123,sub456,assessment,1,"{{""a"":\r\n\r\n1}}",{AT},,'
    assert cli("import", csv(folder / "a.csv", spread, ROW), "--json").json["recorded"] == 2
    assert {"a": 1} in scalars(world, "SELECT metadata FROM usage")


@pytest.mark.parametrize(
    "change", ["line ends", "mark", "longer", "reordered", "columns", "spelling", "gzip", "format"]
)
def test_the_same_rows_saved_anew_count_once(cli: Cli, world: Engine, folder: Path, change: str) -> None:
    other = f"user123,sub456,assessment,2.50,,{AT},,"
    assert cli("import", csv(folder / "a.csv", ROW, ROW, other), "--json").json["recorded"] == 3
    lines, new = [HEADER, ROW, ROW, other], 0
    if change == "longer":
        lines, new = [*lines, ROW], 1
    elif change == "reordered":
        lines = [HEADER, other, ROW, ROW]
    elif change == "columns":
        lines = ["quantity,timestamp,userId,subscriptionId,usageType"]
        lines += [f"{quantity},{AT},user123,sub456,assessment" for quantity in ("1", "2.5", "1")]
    elif change == "spelling":
        lines[3] = "user123,sub456,assessment,2.5,{},2026-06-01T12:00:00.000+02:00,,"
    data = ("\r\n" if change == "line ends" else "\n").join(lines).encode()
    file = folder / "b.csv"
    if change == "mark":
        data = b"\xef\xbb\xbf" + data
    elif change == "gzip":
        data, file = gzip.compress(data), folder / "b.csv.gz"
    elif change == "format":
        rows_ = [LINE | {"quantity": quantity, "timestamp": AT} for quantity in ("1", "1", "2.5")]
        data, file = b"\xef\xbb\xbf" + b"\n".join(json.dumps(row).encode() for row in rows_), folder / "b.jsonl"
    file.write_bytes(data)
    looked = cli("import", str(file), "--dry-run", "--json").json
    assert (looked["new"], looked["known"], looked["bad"]) == (new, 3, 0)
    answer = cli("import", str(file), "--json")
    assert (answer.json["recorded"], answer.json["duplicates"], answer.err) == (new, 3, "")
    check_books(world)


def test_equal_rows_of_two_sources_are_two_facts(cli: Cli, world: Engine, folder: Path) -> None:
    file, named = csv(folder / "a.csv", ROW), csv(folder / "b.csv", ROW + "named")
    for source in ("east", "west"):
        assert cli("import", file, "--source", source, "--json").json["recorded"] == 1
    assert cli("import", file, "--source", "east", "--json").json["duplicates"] == 1
    assert cli("import", named, "--source", "east", "--json").json["recorded"] == 1
    assert sorted(scalars(world, "SELECT source FROM usage")) == ["east", "named", "west"]


def test_a_file_that_was_imported_under_keys_by_line_is_known_by_its_ids(
    cli: Cli, world: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.importing import source

    file = csv(folder / "a.csv", ROW, ROW)
    with monkeypatch.context() as before:
        before.setattr(source, "_digest", lambda _: None)
        assert cli("import", file, "--json").json["recorded"] == 2
    assert scalars(world, "SELECT idempotency_key FROM usage ORDER BY id")[0].endswith(":2")
    assert cli("import", file, "--json").json["duplicates"] == 2


def test_rows_with_neither_time_nor_key_are_named_once(cli: Cli, world: Engine, folder: Path) -> None:
    bare = "user123,sub456,assessment,1,,,,"
    answer = cli("import", csv(folder / "a.csv", bare, ROW, bare))
    assert answer.err.count("2 lines have neither timestamp nor idempotencyKey") == 1
    assert cli("import", csv(folder / "b.csv", bare, ROW, bare, ROW), "--json").json["recorded"] == 3


def test_a_dry_run_counts_and_records_nothing(cli: Cli, world: Engine, folder: Path) -> None:
    keyed = "user123,sub456,assessment,1,,2026-05-01T00:00:00Z,k,"
    cli("import", csv(folder / "a.csv", ROW))
    file = csv(folder / "b.csv", keyed, "user123", ROW, keyed, ROW, "user123,sub456,report,1,,2026-07-01T00:00:00Z,,")
    before = counts(world)
    answer = cli("import", file, "--dry-run")
    assert answer.code == 1
    assert (
        answer.out == "3 new, 2 known, 0 conflicting, 1 bad, used from 2026-05-01T00:00:00Z to 2026-07-01T00:00:00Z\n"
    )
    assert answer.err == "line 3: has 1 cells under 8 columns\n"
    assert cli("import", file, "--dry-run", "--json").json == {
        "new": 3,
        "known": 2,
        "conflicting": 0,
        "bad": 1,
        "from": "2026-05-01T00:00:00Z",
        "to": "2026-07-01T00:00:00Z",
        "badLines": [{"line": 3, "reason": "has 1 cells under 8 columns"}],
    }
    assert counts(world) == before
    assert cli("import", jsonl(folder / "c.jsonl"), "--dry-run").out == "0 new, 0 known, 0 conflicting, 0 bad\n"


def test_columns_may_have_other_names_and_other_marks_between_them(cli: Cli, world: Engine, folder: Path) -> None:
    maps = ("--map", "Customer id=userId", "--map", "contract=subscriptionId", "--map", "comment=")
    file = folder / "a.csv"
    for delimiter, mark in ((";", ";"), ("tab", "\t")):
        cells = [("Customer id", "contract", "usageType", "quantity", "comment", "source")]
        cells += [("user123", "sub456", "assessment", "1", "nice, that", delimiter.strip(";") or "s")]
        file.write_text("\n".join(mark.join(row) for row in cells))
        assert cli("import", str(file), *maps, "--delimiter", delimiter, "--json").json["recorded"] == 1
    named = {"Customer id": "user123", "contract": "sub456", "usageType": "report", "quantity": 1, "comment": [1]}
    assert cli("import", jsonl(folder / "a.jsonl", named), *maps, "--json").json["recorded"] == 1
    file.write_text("a,b,subscriptionId,usageType,quantity\nuser123,user999,sub456,assessment,1")
    wrong = cli("import", str(file), "--map", "a=", "--map", "b=userId", "--json")
    assert wrong.json["quarantined"] == 1
    assert cli("import", str(file), "--map", "a=userId", "--map", "b=", "--json").json["recorded"] == 1
    twice = cli("import", jsonl(folder / "b.jsonl", named | {"userId": "user123"}), *maps)
    assert "has userId under two names" in twice.err


def test_a_name_that_the_file_has_not_is_refused(cli: Cli, world: Engine, folder: Path) -> None:
    before = counts(world)
    named = LINE | {"customer": "user123"}
    named.pop("userId")
    csv = folder / "a.csv"
    csv.write_text("customer,subscriptionId,usageType,quantity\nuser123,sub456,report,1\n")
    maps = ("--map", "customer=userId")
    for absent in ("Zusatz=source", "Zusatz="):
        for options in ((), ("--dry-run",), ("--skip-bad",)):
            refused = cli("import", str(csv), *maps, "--map", absent, *options)
            assert (refused.code, refused.out) == (2, "")
            assert refused.err == "usage-billing: line 1 names no column 'Zusatz', which --map names\n"
            refused = cli("import", jsonl(folder / "a.jsonl", named), *maps, "--map", absent, *options)
            assert (refused.code, refused.out) == (2, "")
            assert refused.err == "usage-billing: no line has the field 'Zusatz', which --map names\n"
    assert counts(world) == before
    # A line need not have what another has, and a file without a line has nothing to be named.
    found = cli(
        "import", jsonl(folder / "b.jsonl", named, named | {"comment": 1}), *maps, "--map", "comment=", "--json"
    )
    assert found.json["recorded"] == 2
    assert cli("import", jsonl(folder / "c.jsonl"), *maps, "--json").json["recorded"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--map", "a"), "must be COLUMN=FIELD"),
        (("--map", "a=b"), "must be COLUMN=FIELD"),
        (("--map", "a=userId", "--map", "a=source"), "names the column 'a' twice"),
        (("--map", "a=userId"), "line 1 names the column 'userId' twice"),
        (("--delimiter", ";;"), "--delimiter must be one character"),
        (("--delimiter", '"'), "--delimiter must be one character"),
        (("--delimiter", ";", "--format", "jsonl"), "--delimiter is for CSV"),
        (("--source", "a b"), "'a b' is no id"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    cli: Cli, world: Engine, folder: Path, options: tuple[str, ...], said: str
) -> None:
    answer = cli("import", csv(folder / "a.csv", ROW, header="a,userId"), *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_standard_input_of_the_real_program_is_a_file(console: Cli, world: Engine) -> None:
    answer = console("import", "-", "--format", "csv", "--json", stdin=f"{HEADER}\n{ROW}\n".encode())
    assert (answer.code, answer.json["recorded"]) == (0, 1)


@pytest.mark.parametrize("compressed", [False, True])
def test_standard_input_is_told_its_format(
    cli: Cli, world: Engine, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    data = f"{HEADER}\n{ROW}\n".encode()

    def given(*arguments: str) -> Answer:
        sent = gzip.compress(data) if compressed else data
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sent)))
        return cli("import", "-", *arguments, "--json")

    assert given().code == 2
    for recorded in (1, 0):
        answer = given("--format", "csv")
        assert (answer.code, answer.json["recorded"]) == (0, recorded)


def test_a_damaged_gzip_is_named(cli: Cli, world: Engine, folder: Path) -> None:
    file = folder / "a.csv.gz"
    file.write_bytes(gzip.compress(f"{HEADER}\n{ROW}\n".encode())[:-9])
    answer = cli("import", str(file))
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "the compressed file is damaged" in answer.err
