"""What became of recordings. Those that the service refuses are logged, kept in a file for a person, and told.

The client does not send them again. A person can mend the ``event`` members in the file and import or record them:
they have their idempotency keys, so that none counts twice.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from usage_billing_client import _files as files
from usage_billing_client._event import spell_time
from usage_billing_client._options import Setup
from usage_billing_client._reporting import Notices, Tally, log

FILE_NAME = "refused.jsonl"
_SHOWN = ("idempotencyKey", "subscriptionId", "usageType")  # of a recording in the log; metadata stays out of it


class Refusals:
    """Takes in refused recordings. For the sending thread; never raises."""

    def __init__(self, folder: Path | None, setup: Setup, *, tally: Tally, notices: Notices) -> None:
        self.folder = folder
        self._fsync = setup.fsync
        self._on_accepted = setup.on_accepted
        self._on_refused = setup.on_refused
        self._tally = tally
        self._notices = notices

    def add(self, line: bytes, *, status: int, code: str, detail: str, errors: Sequence[Any] = ()) -> None:
        """Take in the recording ``line``, which the service refused; ``errors`` are the fields that it named."""
        event = json.loads(line)
        why = {"status": status, "code": code, "detail": detail, "errors": list(errors)}
        self._tally.add("refused")
        shown = {name: event.get(name) for name in _SHOWN}
        log.error("refused by the service: %s: %s %s", shown, detail, [*errors])
        self._keep({"refusedAt": spell_time(None), **why, "event": event})
        if self._on_refused is not None:
            try:
                self._on_refused(event, why)
            except Exception:
                log.exception("on_refused failed for %s", shown)

    def tell_accepted(self, lines: Sequence[bytes], ids: object) -> None:
        """Tell the caller of accepted recordings and their ids, if it wants to know."""
        if self._on_accepted is None or not isinstance(ids, list):
            return
        for line, identifier in zip(lines, ids):
            try:
                self._on_accepted(json.loads(line), str(identifier))
            except Exception:
                log.exception("on_accepted failed for %s", identifier)

    def add_broken(self, line: bytes) -> None:
        """Take in a line of a spill file that is no recording: half written by a process that died, or rubbish."""
        self._tally.add("refused")
        log.warning("%d bytes in a spill file are no recording; the others are sent", len(line))
        text = line[: 64 * 1024].decode("utf-8", "replace")
        self._keep({"refusedAt": spell_time(None), "status": 0, "code": "unreadable", "text": text})

    def _keep(self, entry: Mapping[str, Any]) -> None:
        if self.folder is None:
            return
        path = self.folder / FILE_NAME
        try:
            self._append(path, json.dumps(entry).encode("ascii"))
        except OSError as error:
            self._notices.say("refused", logging.ERROR, "refused recordings cannot be kept in %s: %s", path, error)

    def _append(self, path: Path, line: bytes) -> None:
        fd = files.open_file(path, create=True)
        try:
            files.wait_lock(fd)  # other processes write here too
            size = os.fstat(fd).st_size
            torn = size > 0 and files.read_at(fd, 1, size - 1) != b"\n"
            files.append_lines(fd, [b"", line] if torn else [line], size=size, fsync=self._fsync)
        finally:
            with suppress(OSError):
                os.close(fd)


def refusal_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """``code``, ``detail`` and ``errors`` of a problem that is about one recording."""
    code, detail, errors = body.get("code"), body.get("detail"), body.get("errors")
    return {
        "code": code if isinstance(code, str) else "refused",
        "detail": detail if isinstance(detail, str) else "the service does not take it",
        "errors": errors if isinstance(errors, list) else [],
    }
