"""What is logged, where it lands, and what never does."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing import logs, redaction
from usage_billing.embedded.secrets import make_development_secret, make_key
from usage_billing.log_lines import MAX_TEXT
from usage_billing.redaction import HIDDEN, redact, redact_value
from usage_billing.settings import Settings

KEY = "ub_abcd1234_" + "A-b_" * 10 + "xyz"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyMTIzIn0.c2lnbmF0dXJl-_x"
log = logging.getLogger("usage_billing.tests")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The log folder of a configured process; logging is as before afterwards."""
    root = logging.getLogger()
    before, level = [*root.handlers], root.level
    logs.configure(Settings(logs=tmp_path / "logs"), "test")
    yield tmp_path / "logs"
    for handler in [*root.handlers]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(folder.glob("*.log")) for line in path.read_text().splitlines()]


def fail_with(text: str) -> None:
    """Log an exception that says ``text``."""
    try:
        int("x" + text)
    except ValueError as error:
        error.args = (text,)
        log.exception("failed")


def test_a_line_has_its_fields(folder: Path) -> None:
    log.info("recorded %d of %s", 3, "sub456", extra={"runId": "r1", "took": 0.25})
    (line,) = lines(folder)
    moment = datetime.fromisoformat(str(line.pop("ts")))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 5
    assert moment.utcoffset() is not None
    assert line == {
        "level": "INFO",
        "logger": "usage_billing.tests",
        "process": "test",
        "pid": os.getpid(),
        "message": "recorded 3 of sub456",
        "runId": "r1",
        "took": 0.25,
    }


def test_ids_are_bound_for_a_block_and_nest(folder: Path) -> None:
    with logs.bind(request_id="req-1"):
        log.info("outer")
        with logs.bind(event_id="ev-1"):
            log.info("inner")
            assert logs.bound() == {"requestId": "req-1", "eventId": "ev-1"}
        log.info("outer again")
    log.info("outside")
    assert [(line.get("requestId"), line.get("eventId")) for line in lines(folder)] == [
        ("req-1", None),
        ("req-1", "ev-1"),
        ("req-1", None),
        (None, None),
    ]


def test_the_file_is_the_days_in_utc_and_rolls_at_midnight(folder: Path) -> None:
    for moment in (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)):
        record = logging.makeLogRecord({"name": "x", "levelno": 20, "levelname": "INFO", "msg": f"{moment:%d}"})
        record.created = moment.timestamp()
        logging.getLogger().handle(record)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "usage-billing-20260331.log",
        "usage-billing-20260401.log",
    ]
    assert [line["message"] for line in lines(folder)] == ["31", "01"]


def test_an_exception_is_text_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(f"it had {KEY}")
    (line,) = lines(folder)
    assert "ValueError: it had ub_abcd1234_[hidden]" in str(line["exception"])
    assert "Traceback" in str(line["exception"])


def test_a_moved_away_file_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "REOPEN_SECONDS", -1.0)
    log.info("one")
    (path,) = folder.iterdir()
    path.rename(folder / "old")
    log.info("two")
    assert [line["message"] for line in lines(folder)] == ["two"]


def test_several_processes_share_a_file_without_mixing_lines(tmp_path: Path) -> None:
    code = (
        "import logging, sys\nfrom pathlib import Path\nfrom usage_billing import logs\n"
        "from usage_billing.settings import Settings\n"
        "logs.configure(Settings(logs=Path(sys.argv[1])), sys.argv[2], stderr=False)\n"
        "for number in range(500): logging.getLogger('x').info('n', extra={'n': number, 'fill': 'é' * 3000})"
    )
    repository = Path(__file__).parents[2]
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=repository) for name in "abc"]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    found = lines(tmp_path)
    assert len(found) == 1500
    for name in "abc":
        assert [line["n"] for line in found if line["process"] == name] == list(range(500))


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (tmp_path / "file").write_text("")
    logs.configure(Settings(logs=tmp_path / "file" / "logs"), "test")
    for _ in range(3):
        log.info("goes on")
    said = capsys.readouterr().err
    assert said.count("cannot write logs to") == 1
    assert said.count("goes on") == 3


@pytest.mark.parametrize(
    "values",
    [("%d %d", ("x",)), ("%s", ()), ("no place", (1, 2)), ("\udc80 \x00 \u2028 %s", ("\ud800",)), (object(), ())],
)
def test_nothing_that_is_logged_raises(
    folder: Path, values: tuple[object, tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [item for item in root.handlers if type(item).__module__ == logs.__name__])
    log.info(values[0], *values[1], extra={"x": Unspeakable(), "nan": float("nan"), "set": {1}, "bytes": b"\xff"})
    log.info("%s", Unspeakable())
    assert len(lines(folder)) == 2


def test_a_closed_terminal_stops_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        logs.configure(Settings(logs=folder), "test")
    log.info("goes on")
    assert [line["message"] for line in lines(folder)] == ["goes on"]


def test_a_sender_cannot_forge_a_line_or_move_the_cursor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.info("name is %s", "x\n12:00:00 ERROR forged\x1b[2J\r")
    assert len(lines(folder)) == 1
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert not any(line.startswith("12:00:00 ERROR") for line in shown.splitlines())


def test_a_wrong_level_is_named_and_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(logs=folder, log_level="LOUD"), "test")
    assert "USAGE_BILLING_LOG_LEVEL=LOUD" in capsys.readouterr().err
    logs.configure(Settings(logs=folder, log_level="warning"), "test")
    log.info("not shown")
    assert "not shown" not in capsys.readouterr().err


SECRET = "s3cr3t-Value/with.more+chars"


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} refused",
        f"token={JWT}",
        f"Bearer {JWT}",
        f"{JWT}",
        "Authorization: Bearer hunter2hunter2",
        "{'Authorization': 'Basic aHVudGVyMjpodW50ZXIy'}",
        "('x-api-key', 'hunter2hunter2')",
        "x-api-key: hunter2hunter2",
        '{"password": "hunter2hunter2"}',
        "connect host=db password=hunter2hunter2 user=me",
        "PGPASSWORD=hunter2hunter2 psql",
        "JWT_SECRET=hunter2hunter2",
        "INTERNAL_API_KEY=hunter2hunter2",
        "USAGE_BILLING_ADMIN_KEY=hunter2hunter2",
        "postgresql://me:hunter2hunter2@db/x",
        "redis://:hunter2hunter2@127.0.0.1:6379/0 refused",
        "amqp://guest:hunter2@hunter2@host//",
        pytest.param(f"made {make_development_secret()}", id="a secret of ours"),
        pytest.param(f"made {make_key()}", id="a key of ours"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    secrets = ("hunter2", KEY[12:], JWT[4:], JWT.split(".")[1], "aHVudGVy")
    log.info("%s", text, extra={"note": text, "nested": {"list": [text]}})
    fail_with(text)
    shown = capsys.readouterr().err + "".join(path.read_text() for path in folder.iterdir())
    assert HIDDEN in shown
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("name", ["password", "dbPassword", "api_key", "X-API-Key", "jwt_secret", "accessToken"])
def test_a_field_whose_name_says_secret_is_hidden_whole(name: str) -> None:
    assert redact_value(name, {"anything": "at all"}) == HIDDEN
    assert redact_value("outer", {name: "value"}) == {name: HIDDEN}


@pytest.mark.parametrize(
    "text",
    [
        "recorded 3 of sub456, key report-1",
        "postgresql://me@db/x",
        "http://127.0.0.1:5003/api/docs",
        "key ub_abcd1234 was used",
        "idempotencyKey=abc",
        "mail to somebody@example.com: sent",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert redact_value("idempotency_key", text) == text


@pytest.mark.parametrize("run", ["x", "a1_", "ub_", "Bearer", "eyJ", "token", "token ", "http://", " "])
def test_a_long_text_is_looked_through_once(run: str) -> None:
    """It took 40 s for what a message may hold: from each letter of a run, the rest of it was looked through."""
    began = time.process_time()
    redact(run * (MAX_TEXT // len(run)))
    assert time.process_time() - began < 2


@given(st.text())
def test_redaction_never_fails_and_settles(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


_PIECES = [
    "ub_abcd1234_",
    "ubs-1a-",
    "0123456789",
    "eyJabcde",
    ".ab",
    "http://me",
    "db://",
    ":x",
    "@h",
    "dev-",
    "a" * 32,
]
_PIECES += ["Cookie", "X-API-Key", "authorization", "bearer", "BASIC", "to\u212aen", "pa\u017fsword", "pwd", "api_key"]
_PIECES += [" ", "\t", "\u2003", ":", "=", ",", '"', "'", "[hidden]"]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=12).map("".join))
def test_no_mark_leaves_a_secret_in(text: str) -> None:
    """A pattern is passed over where its marks are missing: it would have found nothing there."""
    expected = text
    for _, pattern, replacement in redaction._RULES:
        expected = pattern.sub(replacement, expected)
    assert redact(text) == expected


def test_a_line_of_ours_looks_like_every_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(logs=folder), "test")
    fields = {"method": "POST", "status": 202, "milliseconds": 1.5, "actor": None}
    with logs.bind(request_id="r-12345678"):
        log.info("POST /api/usage/record", extra=fields)
        said = capsys.readouterr().err
        logs.write_line(log.name, "POST /api/usage/record", fields)
    first, second = lines(folder)
    assert list(first) == list(second)
    assert {**first, "ts": ""} == {**second, "ts": ""}
    assert capsys.readouterr().err == ""
    with logs.bind(request_id="r-12345678"):
        logs.write_line(log.name, "POST /api/usage/record", fields, prints=True)
    assert capsys.readouterr().err[8:] == said[8:] != ""
