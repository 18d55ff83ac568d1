"""Which way the house depends: the contracts of setup.cfg hold, and each goes red when it is broken."""

import ast
import configparser
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, Source, sources

LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"

BROKEN = {
    "a task knows the API": ("tasks/usage.py", "import api.state"),
    "the domain knows a task": ("usage_billing/flows/billing/apply_terms.py", "import tasks.base"),
    "a room knows a flow": ("usage_billing/metering/split.py", "import usage_billing.flows.billing.open_run"),
    "two rooms of one line know each other": (
        "usage_billing/metering/queries.py",
        "import usage_billing.subscriptions.models",
    ),
    "recording knows billing": (
        "usage_billing/flows/recording/void_usage.py",
        "import usage_billing.flows.billing.claims",
    ),
    "the inbox knows a drain": ("tasks/inbox/protocol.py", "import tasks.draining.drain"),
    "the inbox knows Celery": ("tasks/inbox/redis_inbox.py", "import celery"),
    "the frame knows a noun": ("usage_billing/cli/frame/output.py", "import usage_billing.cli.nouns.plans"),
    "the domain knows Celery": ("usage_billing/outbox/service.py", "import celery"),
    "the domain knows Flask": ("usage_billing/access/principal.py", "import flask"),
    "a rule knows the database": ("usage_billing/rating/engine.py", "import sqlalchemy"),
    "the wire knows a model": ("usage_billing/wire/plan.py", "import usage_billing.catalog.models"),
    "the wire knows a pricing model": ("usage_billing/wire/quota.py", "import usage_billing.rating.pricing"),
    "verify knows the wire": ("usage_billing/reports/verify/ledger.py", "import usage_billing.wire.invoice"),
    "a migration knows a model": ("migrations/versions/0001_customers_and_catalogue.py", "import usage_billing"),
    "a view knows a task": ("api/problems.py", "import tasks.usage"),
    "a page knows a view": ("web/pages.py", "import api.views.invoices"),
    "a page knows a task": ("web/pages.py", "import tasks.usage"),
    "the API knows the web": ("api/problems.py", "import web"),
    "a room to come knows a flow": (
        "usage_billing/webhooks/__init__.py",
        "import usage_billing.flows.billing.open_run",
    ),
    "a wing to come knows recording": (
        "usage_billing/flows/prepaid/__init__.py",
        "import usage_billing.flows.recording.context",
    ),
    "a new room has no line": ("usage_billing/nobodys/__init__.py", '"""Owns nothing. Does not own the rest."""'),
}


def _pure_contract() -> set[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return set(setup["importlinter:contract:pure"]["source_modules"].split())


def _module(source: Source) -> str:
    return source.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _says_pure(source: Source) -> bool:
    return "Pure." in (ast.get_docstring(source.tree) or "")


def _promises_outside(files: Iterable[Source], contract: set[str]) -> list[str]:
    """The modules that say "Pure." and are not in the contract, by themselves or by a package that is in it."""
    promised = [_module(file) for file in files if _says_pure(file)]
    return [name for name in promised if not any(f"{name}.".startswith(f"{kept}.") for kept in contract)]


def test_what_says_pure_is_in_the_contract() -> None:
    assert _promises_outside(sources(), _pure_contract()) == []


def test_what_is_in_the_contract_says_pure() -> None:
    """A package stands there for all of its modules."""
    files = {_module(file): file for file in sources()}
    kept = [files[name] for name in sorted(_pure_contract())]
    assert [file.name for file in kept if not (_says_pure(file) or file.name.endswith("/__init__.py"))] == []


def test_a_promise_outside_the_contract_is_seen() -> None:
    rule = Source("usage_billing/metering/rule.py", '"""A rule. Pure."""\n')
    assert _promises_outside([rule], {"usage_billing.metering.rules"}) == ["usage_billing.metering.rule"]
    assert _promises_outside([rule], {"usage_billing.metering"}) == []


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages of ``folder``."""
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_contracts_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and their contracts, to be broken."""
    folder = tmp_path_factory.mktemp("house")
    for package in (*PACKAGES, "migrations"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


@pytest.mark.parametrize(("name", "line"), BROKEN.values(), ids=BROKEN)
def test_a_broken_contract_goes_red(copy: Path, name: str, line: str) -> None:
    file = copy / name
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    try:
        file.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
        result = lint(copy)
    finally:
        if before is None:
            shutil.rmtree(file.parent)
        else:
            file.write_text(before, encoding="utf-8")
    assert result.returncode == 1
    assert "BROKEN" in result.stdout, result.stdout + result.stderr
