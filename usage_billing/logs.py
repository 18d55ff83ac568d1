"""Structured logs: JSON lines in a file per day, a readable line on stderr, no secret in either.

Every process of the stack appends to ``logs/usage-billing-YYYYMMDD.log``. Each line is one write to a file that is
open for appending, so lines never mix. Logging stops no service: a line that cannot be written is dropped.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from usage_billing.core.clock import utc_now
from usage_billing.log_lines import as_json, as_readable, bind, bound, moment, plain_json, plain_readable
from usage_billing.redaction import redact
from usage_billing.settings import Settings

__all__ = ["bind", "bound", "configure", "is_configured", "write_line"]

REOPEN_SECONDS = 5.0


def configure(settings: Settings, process: str, *, stderr: bool = True) -> None:
    """Send the records of this process, whose name is ``process``, to the day's file and to stderr.

    A second call replaces the first. With ``stderr=False`` nothing is printed: another part of the process writes to
    the terminal. Never raises.
    """
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, DailyFile | _Readable):
            root.removeHandler(handler)
            handler.close()
    root.addHandler(DailyFile(settings.logs, process))
    if stderr:
        root.addHandler(_Readable(sys.stderr))
    level = logging.getLevelNamesMapping().get(settings.log_level.upper())
    root.setLevel(logging.INFO if level is None else level)
    if level is None:
        logging.getLogger(__name__).warning("USAGE_BILLING_LOG_LEVEL=%s is no level, using INFO", settings.log_level)
    logging.captureWarnings(capture=True)


def is_configured() -> bool:
    """Whether this process writes its records to the day's file."""
    return any(isinstance(handler, DailyFile) for handler in logging.getLogger().handlers)


def write_line(logger: str, message: str, fields: Mapping[str, object], *, prints: bool = False) -> None:
    """Append one line to the day's file, and print it only if it ``prints``, in a twentieth of a record's time.

    For what happens thousands of times a second. ``message`` and ``fields`` are written as they are, so they must be
    values of ours, never a sender's. Before ``configure`` it does nothing. Never raises.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, DailyFile):
            handler.write_line(logger, message, fields)
        elif prints and isinstance(handler, _Readable):
            handler.write_line(logger, message)


class DailyFile(logging.Handler):
    """Appends each record to ``folder/usage-billing-YYYYMMDD.log``, by the record's own day in UTC."""

    def __init__(self, folder: Path, process: str) -> None:
        super().__init__()
        self._folder = folder.absolute()
        self._stderr = sys.stderr  # kept now, because Celery puts a logger in its place later
        self._process = process
        self._descriptor: int | None = None
        self._day = ""
        self._opened = 0.0
        self._complained = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; the first failure is reported on stderr, later ones are not."""
        try:
            line = as_json(record, self._process).encode("utf-8", "backslashreplace") + b"\n"
            os.write(self._file(moment(record).strftime("%Y%m%d")), line)
        except Exception as error:
            self._complain(error)

    def write_line(self, logger: str, message: str, fields: Mapping[str, object]) -> None:
        """Append a line that needs neither a record nor a search for secrets."""
        try:
            at = utc_now()
            os.write(self._file(at.strftime("%Y%m%d")), plain_json(at, logger, self._process, message, fields))
        except Exception as error:
            self._complain(error)

    def close(self) -> None:
        """Close the day's file."""
        self._forget()
        super().close()

    def _file(self, day: str) -> int:
        """The descriptor of the day's file. It is opened anew now and then, in case the file was moved away."""
        now = time.monotonic()
        if self._descriptor is None or day != self._day or now - self._opened > REOPEN_SECONDS:
            self._forget()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"usage-billing-{day}.log"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._day, self._opened = day, now
        return self._descriptor

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            _say(self._stderr, f"cannot write logs to {self._folder} ({redact(str(error))}); going on without")


class _Readable(logging.Handler):
    """One line for a person: time, level, logger, message, ids."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record; a closed stream is no error."""
        _say(self._stream, as_readable(record))

    def write_line(self, logger: str, message: str) -> None:
        """Print a line that needs neither a record nor a search for secrets."""
        _say(self._stream, plain_readable(utc_now(), logger, message))


def _say(stream: TextIO, text: str) -> None:
    with contextlib.suppress(Exception):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
