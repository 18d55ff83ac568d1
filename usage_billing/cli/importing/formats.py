"""The forms of a file that can be imported, and which of them a file has."""

from pathlib import Path

from usage_billing.core.errors import InvalidInput

CSV, JSONL = "csv", "jsonl"


def format_of(path: Path, given: str | None) -> str:
    """``csv`` or ``jsonl``; raises InvalidInput when neither is said."""
    if given:
        return given
    kind = {".csv": CSV, ".jsonl": JSONL, ".ndjson": JSONL}.get(path.suffix.lower())
    if kind is None:
        raise InvalidInput(f"{path} ends neither in .csv nor in .jsonl: say --format csv or --format jsonl")
    return kind
