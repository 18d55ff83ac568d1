"""What the fault tests share. They are marked ``faults``: `make test-faults` runs them, `make test` does not."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


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
def seed() -> int:
    """USAGE_BILLING_FAULT_SEED, or one at random; printed, to run the same again."""
    chosen = int(os.environ.get("USAGE_BILLING_FAULT_SEED") or random.randrange(10**6))
    print(f"\nUSAGE_BILLING_FAULT_SEED={chosen}")
    return chosen
