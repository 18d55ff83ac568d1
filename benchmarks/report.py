"""What a benchmark found: figures with their bounds, as a table in docs/performance.md."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_PART = re.compile(r"<!-- figures: (?P<name>[a-z]+) -->\n.*?<!-- end -->", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    ``measured`` and ``yardstick`` are texts with their units; ``value`` is compared with ``at_least`` or
    ``at_most``: a ratio, or where there is no yardstick a number in the unit of ``measured``.
    """

    what: str
    measured: str
    yardstick: str = ""
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def held(self) -> bool:
        """Whether the value is within its bound; True without a bound."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def bound(self) -> str:
        """The bound as text."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def verdict(self) -> str:
        """``yes`` or ``no``; empty where there is no bound."""
        return ("yes" if self.held else "**no**") if self.bound else ""


def rate(count: float, seconds: float) -> str:
    """How many a second, as text: ``12,345/s``."""
    return f"{count / seconds:,.0f}/s"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| what | measured | yardstick | value | bound | held |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.what} | {one.measured} | {one.yardstick} | {one.value:.3g} | {one.bound} | {one.verdict} |"
        for one in figures
    ]
    return "\n".join(lines)


def write(name: str, figures: Sequence[Figure], *, took: float) -> None:
    """Replace the table of benchmark ``name`` in docs/performance.md; raises LookupError when it has no place there."""
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, {took:.0f} s"
    part = f"<!-- figures: {name} -->\n{table(figures)}\n\nRun on {stamp}.\n<!-- end -->"
    before = PAGE.read_text(encoding="utf-8")
    after = _PART.sub(lambda found: part if found["name"] == name else found[0], before)
    if after == before and part not in before:
        raise LookupError(f"{PAGE.name} has no part for {name}")
    PAGE.write_text(after, encoding="utf-8")
