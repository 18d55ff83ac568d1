"""One line of a log: whether it is asked for, and how a person reads it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from usage_billing.cli.logbook.levels import LEVELS
from usage_billing.redaction import redact, redact_value

_IN_FRONT = frozenset({"ts", "level", "logger", "process", "pid", "message", "exception"})
# A line of a log is JSON, in which control characters are escaped; unescaped, a terminal would obey them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127, *range(128, 160))}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a line must have: an id anywhere in it, at least this level, this process' name, not before ``since``."""

    id: str | None = None
    level: str | None = None
    process: str | None = None
    since: datetime | None = None

    def fits(self, line: str, entry: Mapping[str, Any]) -> bool:
        """Whether ``line``, which says ``entry``, is asked for."""
        return (
            (self.id is None or self.id in line)
            and (self.level is None or _rank(entry.get("level")) >= _rank(self.level))
            and (self.process is None or entry.get("process") == self.process)
            and (self.since is None or _at_or_after(entry.get("ts"), self.since))
        )


def read_entry(line: str) -> dict[str, Any]:
    """What a line says; a line that is no JSON object, which no process of ours wrote, is a message."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"message": line}


def as_text(entry: Mapping[str, Any]) -> str:
    """Time, level, process and logger, message, then the other fields; an exception on lines of its own."""
    when = str(entry.get("ts") or "-")[:23].replace("T", " ")
    where = " ".join(str(entry[name]) for name in ("process", "logger") if entry.get(name))
    fields = {name: redact_value(name, value) for name, value in entry.items() if name not in _IN_FRONT}
    more = "".join(f" {name}={_short(value)}" for name, value in fields.items())
    lines = [f"{when} {entry.get('level') or '-':<7} {where}: {entry.get('message', '')}{more}"]
    if entry.get("exception"):
        lines.append(str(entry["exception"]))
    return redact("\n".join(lines)).translate(_CONTROLS).replace("\n", "\n    ")


def as_json_line(entry: Mapping[str, Any]) -> str:
    """The line as a program reads it."""
    return json.dumps({name: redact_value(name, value) for name, value in entry.items()})


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rank(level: object) -> int:
    return LEVELS.index(str(level)) if level in LEVELS else -1


def _at_or_after(when: object, since: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(when)) >= since
    except (ValueError, TypeError):  # no time, or one without an offset
        return False
