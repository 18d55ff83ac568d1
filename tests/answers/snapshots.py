"""Whole answers as reviewed files: what an answer looks like is changed by changing its file, where a diff shows it.

``UPDATE_ANSWERS=1 make test ARGS=tests/answers`` writes them anew.
"""

import json
import os
import re
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "snapshots"

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}")
_KEY = re.compile(r"ub_[0-9A-Za-z_-]+")
_END_OF_THE_BOOKS = datetime(2026, 2, 1, tzinfo=UTC)
# Numbers that a sequence gives, and texts that are made of ids.
_NUMBERS = {"id", "quotaId"}
_CURSORS = {"nextCursor", "next"}


def check(name: str, answers: dict[str, Any]) -> None:
    """Compare ``answers`` with the file ``name``: ids, keys, cursors and the machine's own times left out."""
    found, file = Replaced().of(answers), FOLDER / f"{name}.json"
    if os.environ.get("UPDATE_ANSWERS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_written(found), encoding="utf-8")
    reviewed = file.read_text(encoding="utf-8")
    assert found == json.loads(reviewed)
    assert _written(found) == reviewed, "the fields stand in another order"


def _written(answers: dict[str, Any]) -> str:
    return json.dumps(answers, indent=1, ensure_ascii=False) + "\n"


class Replaced:
    """Puts a word in place of each value that is another one tomorrow; the same id gets the same word."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._numbers = count(1)

    def of(self, value: Any, name: str = "") -> Any:
        """``value``, which stands in a field ``name``."""
        if isinstance(value, dict):
            return {self._text(key): self.of(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, name) for inner in value]
        if name in _CURSORS and value is not None:
            return "<cursor>"
        if isinstance(value, int) and not isinstance(value, bool) and name in _NUMBERS:
            return f"<{name}>"
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = _ID.sub(lambda found: self._word(found[0], "id"), text)
        text = _HASH.sub("<hash>", text)
        text = _KEY.sub("<key>", text)
        return _TIME.sub(_time, text)

    def _word(self, text: str, kind: str) -> str:
        return self._words.setdefault(text, f"<{kind} {len(self._words) + 1}>")


def _time(found: re.Match[str]) -> str:
    """Times of the books stay; those of the machine's clock, which is far ahead of them, go."""
    return found[0] if datetime.fromisoformat(found[0]) < _END_OF_THE_BOOKS else "<now>"
