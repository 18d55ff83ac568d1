"""The documentation is whole: every setting, every variable, every error code, every link."""

import ast
import re
from configparser import ConfigParser
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMED, NAMES
from tests.architecture.sources import ROOT, sources, tracked_files
from usage_billing import __version__
from usage_billing.all_models import Base
from usage_billing.settings import Settings

DOCS = ROOT / "docs"
DOCUMENTS = sorted(name for name in tracked_files() if name.endswith(".md"))
OTHER_VARIABLES = "## Other variables that are read"
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|PORT")
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)*")
# Read or set for other programs' sake; they are no configuration of ours.
NOT_SETTINGS = {"LD_LIBRARY_PATH"}


def _rows(text: str) -> dict[str, list[str]]:
    """The tables' rows by the name in their first cell."""
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def _configuration() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    settings, _, others = text.partition(OTHER_VARIABLES)
    return _rows(settings), _rows(others)


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented, _ = _configuration()
    assert sorted(documented) == sorted(item.metadata["env"] for item in fields(Settings))


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.metadata["env"])
def test_a_settings_default_is_the_documented_one(setting: object) -> None:
    documented, _ = _configuration()
    name, default = setting.metadata["env"], setting.default  # type: ignore[attr-defined]
    shown = documented[name][0].strip("`")
    if name in {"PORT", "CELERY_BROKER_URL"}:  # their default depends on what else there is
        return
    assert shown == ("none" if default in ("", None) else str(int(default) if isinstance(default, bool) else default))


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.metadata["env"])
def test_a_setting_says_what_it_is_and_gives_an_example(setting: object) -> None:
    documented, _ = _configuration()
    _, what, example = documented[setting.metadata["env"]]  # type: ignore[attr-defined]
    assert what.endswith(".")
    assert example


def test_every_variable_that_the_code_reads_is_documented() -> None:
    documented, others = _configuration()
    unknown = _variables_read() - set(documented) - set(others) - NOT_SETTINGS
    assert unknown == set()


def _variables_read() -> set[str]:
    """Names given to ``environ[...]``, ``environ.get(...)``, ``environment.get(...)`` or ``getenv(...)``; a request's
    environ, which is WSGI's, is another."""
    found = set()
    for file in sources():
        for node in ast.walk(file.tree):
            place = None
            if isinstance(node, ast.Subscript):
                place, key = node.value, node.slice
            elif isinstance(node, ast.Call) and node.args:
                place, key = node.func, node.args[0]
            if place is None or not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                continue
            if re.search(r"(?<!request\.)environ|getenv", ast.unparse(place)) and VARIABLE.fullmatch(key.value):
                found.add(key.value)
    return found


def _codes() -> set[str]:
    """Every ``code`` of an error that a caller of the API can meet: of a whole answer, or of one field."""
    found = set()
    no_door_of_the_api = ("usage_billing/cli/", "usage_billing/embedded/", "usage_billing/supervisor/")
    for file in sources():
        if file.name.startswith(no_door_of_the_api):
            continue
        for node in ast.walk(file.tree):
            if isinstance(node, ast.keyword) and node.arg == "code":
                found |= _texts(node.value)
            elif isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                        found |= _texts(line.value)
    return found - {"configuration_error"}


def _texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
        return {node.value}
    return set()


def test_every_error_code_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", (DOCS / "problems.md").read_text(encoding="utf-8")))
    assert {"unknown_subscription", "inbox_unavailable"} <= _codes()
    assert sorted(_codes() - documented) == []


def test_the_architecture_shows_every_room_and_its_tables() -> None:
    rows = _rows((DOCS / "architecture.md").read_text(encoding="utf-8"))
    for mapper in Base.registry.mappers:
        room, table = mapper.class_.__module__.split(".")[1], mapper.local_table.name  # type: ignore[attr-defined]
        assert f"`{table}`" in rows[room][0], f"{room} owns {table}"


def test_the_architecture_shows_the_layers_of_the_contract() -> None:
    contract = ConfigParser()
    contract.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = [line for line in contract["importlinter:contract:house"]["layers"].split("\n") if line]
    assert layers[0] == "__main__"
    shown = "\n".join(["```", *layers[1:], "```"])
    assert shown in (DOCS / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target or path.startswith("/api"):
            continue
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in _anchors(file), f"{name} links to {target}"


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_listed_and_numbered() -> None:
    files = sorted(path.name for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [name[:4] for name in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [name for name in files if f"]({name})" not in index] == []


def test_the_version_is_the_last_one_of_the_changelog() -> None:
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    (waiting, undated), (version, released) = headings[:2]
    assert (waiting, undated) == ("Unreleased", "")
    assert version == __version__
    assert date.fromisoformat(released) <= datetime.now(UTC).date()


def test_a_decision_has_a_date_and_names_what_replaced_it() -> None:
    replaced, replacing = set(), set()
    for path in (DOCS / "decisions").glob("0*.md"):
        (status,) = re.findall(r"^\*\*Status:\*\* accepted, (\S.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        day, _, rest = status.partition(";")
        date.fromisoformat(day)
        for clause in rest.split(";"):
            other = {(path.name, name) for name in re.findall(r"\]\((\S+)\)", clause)}
            if "replaced by" in clause:
                replaced |= other
            elif "replaces" in clause:
                replacing |= {(old, new) for new, old in other}
    assert replaced == replacing
    assert replaced


def test_every_benchmark_has_its_figures_on_the_page() -> None:
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^<!-- figures: (\w+) -->$", page, re.MULTILINE)) == NAMES + NAMED
    assert page.count("<!-- end -->") == len(NAMES + NAMED)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.]+/)+(?:\w+\.\w+)?)`", text)
    assert named
    below = (ROOT, ROOT / "usage_billing")
    assert [path for path in named if not any((folder / path).exists() for folder in below)] == []
