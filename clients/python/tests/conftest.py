"""Finds the package beside the tests, and gives each test a service of its own and a folder to spill into."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

PACKAGE = Path(__file__).parent.parent
sys.path.insert(0, str(PACKAGE))  # must stand before the imports of what it finds

from usage_service import Service

from usage_billing_client import Tuning, UsageClient
from usage_billing_client._options import spill_folder
from usage_billing_client._transport import Target

MakeClient = Callable[..., UsageClient]


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service that answers as it is told."""
    with Service() as running:
        yield running


def folder_of(base: Path, url: str, *, api_key: str = "test-key", source: str = "") -> Path:
    """The folder below ``base`` of the clients with this address and key."""
    found = spill_folder(base, target=Target.read(url), api_key=api_key, source=source)
    assert found is not None
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """What clients are told to spill into."""
    return tmp_path / "spill"


@pytest.fixture
def folder(base: Path, service: Service) -> Path:
    """Where the clients of ``service`` with the key ``test-key`` spill."""
    return folder_of(base, service.url)


@pytest.fixture
def make_client(service: Service, base: Path) -> Iterator[MakeClient]:
    """Clients of the service that are quick to try again; closed at the end."""
    made: list[UsageClient] = []

    def make(*, url: str = "", tuning: dict[str, float] | None = None, **more: Any) -> UsageClient:
        numbers: dict[str, Any] = {
            "linger": 0.02,
            "timeout": 10.0,  # only a test of hanging goes by it: a busy machine may take half a second for an answer
            "backoff_base": 0.01,
            "backoff_cap": 0.05,
            "misconfigured_pause": 0.1,
            "adopt_every": 0.1,
            "exit_timeout": 2.0,
            **(tuning or {}),
        }
        options = {"api_key": "test-key", "spill": base, **more}
        client = UsageClient(url or service.url, tuning=Tuning(**numbers), **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(timeout=0.2)


@pytest.fixture
def client(make_client: MakeClient) -> UsageClient:
    """One such client."""
    return make_client()
