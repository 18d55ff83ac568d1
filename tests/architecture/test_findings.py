"""Findings have the form that ``findings/README.md`` states. None is run here: they install packages."""

import os
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
FIELDS = ("Package", "Expected", "Seen", "Matters", "Instead")
HEADER = re.compile(
    r"#!/usr/bin/env bash\n# \S.*\n#\n"
    + "".join(
        rf"# {word}: +\S.*\n(?:# {{11}}\S.*\n)*" for word in ("Package", "Expected", "Seen", "Matters", "Instead")
    )
    + r"set -euo pipefail\n"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_finding_has_the_form(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert HEADER.match(text)
    assert os.access(script, os.X_OK)
    installed = re.findall(r"pip install (.*)", text.replace("\\\n", " "))
    packages = re.findall(r'"([^"]+==[^"]+)"', " ".join(installed))
    assert packages
    assert len(packages) == sum(line.count("==") for line in installed)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9.]+(?:(?:post|b)[0-9]+)?", package) for package in packages)
    for package, version in (name.split("==") for name in packages):
        assert re.search(rf"{package} {re.escape(version)}\b", text.partition("# Expected:")[0])
    assert text.endswith('diff "$folder/expected" "$folder/seen"\n')
    assert "usage_billing" not in text


def test_the_table_names_every_finding() -> None:
    rows = re.findall(r"^\| `(.+\.sh)` \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == [script.name for script in SCRIPTS]
