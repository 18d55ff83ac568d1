"""How a file that is imported is laid out: its form, what separates its cells, and what its columns are called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from usage_billing.core.errors import InvalidInput

CSV, JSONL = "csv", "jsonl"
GZIP = ".gz"
STDIN = "-"
_TAB = {"\\t": "\t", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Layout:
    """``kind`` is ``csv`` or ``jsonl``. ``names`` maps what the file calls a column to the field of a recording, or to
    "" for a column that is passed over.
    """

    kind: str
    delimiter: str = ","
    names: Mapping[str, str] = field(default_factory=dict)

    def differences(self) -> list[str]:
        """What differs from the usual layout, sorted: a file that is read otherwise says other things."""
        renamed = [f"{column}={name}" for column, name in sorted(self.names.items())]
        return renamed if self.delimiter == "," else [self.delimiter, *renamed]


def layout_of(path: Path, *, kind: str | None, delimiter: str | None, names: Mapping[str, str]) -> Layout:
    """The layout that the options and the file's name say; raises InvalidInput when they do not.

    ``delimiter`` is one character, as ``parse_delimiter`` gives it.
    """
    kind = kind or _kind_of(path)
    if delimiter is not None and kind != CSV:
        raise InvalidInput("--delimiter is for CSV: in JSON Lines nothing separates cells")
    return Layout(kind, delimiter or ",", names)


def parse_names(pairs: Iterable[str], fields: Iterable[str]) -> dict[str, str]:
    """``COLUMN=FIELD`` as given to ``--map``, ``COLUMN=`` for one that is passed over; raises InvalidInput."""
    known, found = set(fields), dict[str, str]()
    for pair in pairs:
        column, separator, name = (part.strip() for part in pair.rpartition("="))
        if not separator or not column or (name and name not in known):
            raise InvalidInput(f"--map {pair[:80]!r} must be COLUMN=FIELD, FIELD one of {', '.join(sorted(known))}")
        if column in found:
            raise InvalidInput(f"--map names the column {column[:80]!r} twice")
        found[column] = name
    return found


def parse_delimiter(text: str) -> str:
    """One character, or ``tab``; raises InvalidInput."""
    text = _TAB.get(text, text)
    if len(text) != 1 or text in '"\r\n\0' or not text.isascii():
        raise InvalidInput("--delimiter must be one character such as ; or the word tab")
    return text


def _kind_of(path: Path) -> str:
    name = path.name.lower().removesuffix(GZIP)
    kind = {".csv": CSV, ".jsonl": JSONL, ".ndjson": JSONL}.get(Path(name).suffix)
    if kind is None:
        which = "standard input" if str(path) == STDIN else str(path)
        raise InvalidInput(f"{which} ends neither in .csv nor in .jsonl: say --format csv or --format jsonl")
    return kind
