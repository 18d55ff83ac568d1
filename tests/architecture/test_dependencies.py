"""What is imported is declared: an installation of setup.cfg has it."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.sources import ROOT, Source, sources

OURS = {
    "usage_billing",
    "tasks",
    "api",
    "web",
    "migrations",
    "celeryconfig",
    "tests",
    "benchmarks",
    "usage_billing_client",
}
# Parts of a declared package that have a distribution of their own; it cannot be there without them.
COMES_WITH = {
    "apispec": "flask-smorest",
    "billiard": "celery",
    "cryptography": "pyjwt",
    "grimp": "import-linter",
    "jinja2": "flask",
    "jsonschema": "openapi-spec-validator",
    "kombu": "celery",
    "markupsafe": "flask",
    "psycopg-binary": "psycopg",
    "psycopg-pool": "psycopg",
    "webargs": "flask-smorest",
    "werkzeug": "flask",
}
MODULES = packages_distributions()


def _declared(*sections: str) -> set[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = {"": setup["options"]["install_requires"], **setup["options.extras_require"]}
    return {re.split(r"[\[<>=; ]", line)[0] for name in ("", *sections) for line in texts[name].split("\n") if line}


def _imported(files: tuple[Source, ...]) -> set[tuple[str, str]]:
    """(file, top-level module) of whatever is neither ours nor Python's."""
    found = set()
    for file in files:
        for node in ast.walk(file.tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {(file.name, name.partition(".")[0]) for name in names}
    return {(file, name) for file, name in found if name not in OURS | set(sys.stdlib_module_names)}


def _undeclared(files: tuple[Source, ...], declared: set[str]) -> list[str]:
    missing = []
    for file, module in sorted(_imported(files)):
        distributions = {name.lower().replace("_", "-") for name in MODULES.get(module, [module])}
        if not any(name in declared or COMES_WITH.get(name) in declared for name in distributions):
            missing.append(f"{file} imports {module}")
    return missing


ELSEWHERE = "tests/foreign/programs/"
"""Programs that run in environments of their own, with the packages that stand beside them."""


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("usage_billing", "tasks", "api", "migrations"), ()), (("tests",), ("test",))],
    ids=["the service", "the tests"],
)
def test_every_import_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    files = tuple(file for file in sources(*folders) if not file.name.startswith(ELSEWHERE))
    assert _imported(files)
    assert _undeclared(files, _declared(*extras)) == []


def test_what_is_not_declared_is_seen() -> None:
    assert _undeclared((Source("api/x.py", "import pandas\n"),), _declared()) == ["api/x.py imports pandas"]
    assert _undeclared((Source("api/x.py", "import hypothesis\n"),), _declared()) == ["api/x.py imports hypothesis"]
