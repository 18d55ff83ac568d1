"""Writes a log record as a line: JSON for machines, readable text for people; secrets are taken out of both."""

import json
import logging
import os
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

from usage_billing.redaction import redact, redact_value

MAX_TEXT = 32_768  # characters of a message or of a traceback
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Text that a sender put into a field must neither move a terminal's cursor nor look like a line of ours.
_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127, *range(128, 160))}
# Characters that JSON allows, but at which some readers end a line, or which a terminal obeys.
_LINE_BREAKERS = {code: f"\\u{code:04x}" for code in (*range(127, 160), 0x2028, 0x2029)}
_bound: ContextVar[dict[str, str]] = ContextVar("usage_billing_logs", default={})  # noqa: B039  never changed in place


class bind:  # noqa: N801  it reads as a verb; a generator would cost each request three times as much
    """Within the block every line carries ``requestId`` and ``eventId``; for None the outer block's id stays."""

    __slots__ = ("_given", "_token")

    def __init__(self, *, request_id: str | None = None, event_id: str | None = None) -> None:
        given = (("requestId", request_id), ("eventId", event_id))
        self._given = {name: value for name, value in given if value is not None}

    def __enter__(self) -> None:
        self._token = _bound.set(_bound.get() | self._given)

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


def bound() -> dict[str, str]:
    """The ids that every line carries here, by name, to be sent on to another process."""
    return dict(_bound.get())


def as_json(record: logging.LogRecord, process: str) -> str:
    """One record as one line: ts, level, logger, process, pid, message, the bound ids, extras, exception."""
    entry: dict[str, object] = {
        "ts": moment(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "logger": record.name,
        "process": process,
        "pid": record.process,
        "message": _message(record),
        **_bound.get(),
    }
    for name, value in vars(record).items():
        if name not in _STANDARD and name not in entry:
            entry[name] = _field(name, value)
    if failure := _exception(record):
        entry["exception"] = failure
    return json.dumps(entry, ensure_ascii=False, default=_text).translate(_LINE_BREAKERS)


def plain_json(at: datetime, logger: str, process: str, message: str, fields: Mapping[str, object]) -> bytes:
    """The line of ``as_json`` for a message and fields of ours, which hold no secret and no control character."""
    entry = {
        "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": "INFO",
        "logger": logger,
        "process": process,
        "pid": os.getpid(),
        "message": message,
        **_bound.get(),
        **fields,
    }
    return msgspec.json.encode(entry) + b"\n"


def as_readable(record: logging.LogRecord) -> str:
    """One record for a person: time, level, logger, message, the bound ids; further lines are indented."""
    ids = "".join(f" {name}={value}" for name, value in _bound.get().items())
    lines = [f"{moment(record):%H:%M:%S} {record.levelname:<7} {record.name}: {_message(record)}{ids}"]
    if failure := _exception(record):
        lines.append(failure)
    return "\n".join(lines).translate(_CONTROL_CHARACTERS).replace("\n", "\n    ")


def plain_readable(at: datetime, logger: str, message: str) -> str:
    """The text of ``as_readable`` for a message of ours, which holds no secret and no control character."""
    ids = "".join(f" {name}={value}" for name, value in _bound.get().items())
    return f"{at:%H:%M:%S} {'INFO':<7} {logger}: {message}{ids}"


def moment(record: logging.LogRecord) -> datetime:
    """When the record was logged, as an aware UTC time."""
    return datetime.fromtimestamp(record.created, tz=UTC)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # the arguments do not fit the format: an odd line is better than none
        text = f"{record.msg} {_text(record.args)}"
    return redact(text[:MAX_TEXT])


def _exception(record: logging.LogRecord) -> str:
    try:
        if record.exc_info and record.exc_info[1] is not None:
            return redact("".join(traceback.format_exception(record.exc_info[1])).rstrip()[-MAX_TEXT:])
    except Exception:
        return "an exception that cannot be shown"
    return redact(record.exc_text) if record.exc_text else ""


def _field(name: str, value: object) -> object:
    try:
        return redact_value(name, value)
    except Exception:  # its own __str__ failed
        return f"<{type(value).__name__}>"


def _text(value: object) -> str:
    try:
        return redact(str(value))
    except Exception:
        return f"<{type(value).__name__}>"
