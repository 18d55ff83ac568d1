"""What the fault tests share. They are marked ``faults``: `make test-faults` runs them, `make test` does not."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Figures = Callable[[str], None]


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for one system; kept when the test fails, for its logs."""
    place = Path(tempfile.mkdtemp(prefix="usage-billing-faults-"))
    place.chmod(0o755)
    failed = request.session.testsfailed
    yield place
    if request.session.testsfailed == failed:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def seed(figures: Figures) -> int:
    """USAGE_BILLING_FAULT_SEED, or one at random; told at the end, to run the same again."""
    chosen = int(os.environ.get("USAGE_BILLING_FAULT_SEED") or random.randrange(10**6))
    figures(f"USAGE_BILLING_FAULT_SEED={chosen}")
    return chosen


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Says a line at the end of the run: what was seen, also when all is well."""
    return lambda line: request.node.user_properties.append(("figures", line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines of all tests, one after the other."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            lines = [line for name, line in getattr(report, "user_properties", ()) if name == "figures"]
            if lines and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {report.outcome}")
                for line in lines:
                    terminalreporter.write_line(f"    {line}")
