"""One broker for all tests, and what the fault tests have."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import figures, home, pytest_terminal_summary, seed
from tests.rabbitmq.broker import INSTALLED, RabbitMQ

__all__ = ["figures", "home", "pytest_terminal_summary", "seed"]


@pytest.fixture(scope="session")
def broker() -> Iterator[RabbitMQ]:
    """A node of our own."""
    if not INSTALLED:
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with tempfile.TemporaryDirectory(prefix="usage-billing-rabbitmq-") as place, RabbitMQ(Path(place)) as running:
        yield running
