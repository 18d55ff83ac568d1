"""The project's own source files, parsed once."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("usage_billing", "tasks", "api", "web")


@dataclass(frozen=True)
class Source:
    """One Python file. ``name`` is its path from the root, with slashes."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text, self.name)

    @property
    def lines(self) -> int:
        """How long it is."""
        return self.text.count("\n")


def source(text: str, name: str = "usage_billing/core/example.py") -> Source:
    """A file that is only in a test."""
    return Source(name, text)


@lru_cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below these folders, or below those of the service."""
    paths = [path for folder in folders or PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(map(_read, paths))


@cache
def _read(path: Path) -> Source:
    """One file, which several rules look at: it is read and parsed once."""
    return Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


@lru_cache
def tracked_files() -> tuple[str, ...]:
    """Every file that is committed or about to be; outside a git checkout, what lies in the folders of the project."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        found = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        folders = (*PACKAGES, "migrations", "tests", "docs", "deploy", "benchmarks")
        found = [path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*")]
        found += [path.name for path in ROOT.iterdir()]
    return tuple(sorted(name for name in found if name and (ROOT / name).is_file()))
