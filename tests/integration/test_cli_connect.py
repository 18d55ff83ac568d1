"""``usage-billing connect``: what a program of others is given, and whether its first event came."""

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.integration.conftest import Cli
from tests.support.books import scalars
from usage_billing.cli.nouns import connect
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction
from usage_billing.metering.recording import Beside

URL = ("--url", "https://billing.example")


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("openmeter", "/openmeter"),
        ("lago", "/lago/"),
        ("stripe", "/stripe"),
        ("litellm", "/openmeter"),
        ("cloudevents", "/api/ingest/cloudevents"),
    ],
)
def test_it_gives_address_and_key(cli: Cli, world: Engine, program: str, path: str) -> None:
    said = cli("connect", program, *URL, "--json").json
    assert said["key"] in said["settings"]
    assert f"https://billing.example{path}" in said["settings"]
    assert scalars(world, "SELECT scopes FROM api_keys") == [["usage:write"]]
    assert cli("connect", program, *URL).out.startswith(said["settings"].split(said["key"])[0])


def test_without_an_address_it_asks_for_one(cli: Cli, world: Engine) -> None:
    answer = cli("connect", "openmeter")
    assert answer.code == 2
    assert "--url" in answer.err
    assert scalars(world, "SELECT count(*) FROM api_keys") == [0]


@pytest.mark.parametrize(("subscription", "told"), [("sub456", "in the books"), ("none", "unknown_subscription")])
def test_it_says_when_the_first_event_is_there(
    cli: Cli, world: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch, subscription: str, told: str
) -> None:
    def arrive(_: float) -> None:
        [number] = scalars(world, "SELECT number FROM api_keys")
        sent: Any = make_recording(now=now, subscription=subscription)
        with transaction(world) as session:
            record(session, replace(sent, id=new_id(), beside=Beside(by=number)))

    monkeypatch.setattr(connect.time, "sleep", arrive)
    answer = cli("connect", "stripe", *URL, "--wait", "30")
    assert answer.code == 0
    assert told in answer.out.splitlines()[-1]


def test_if_none_comes_it_says_so(cli: Cli, world: Engine) -> None:
    answer = cli("connect", "lago", *URL, "--wait", "1")
    assert answer.code == 3
    assert "no event came with this key within 1 seconds" in answer.err


def test_a_program_that_reads_has_a_key_that_may(cli: Cli, world: Engine) -> None:
    assert cli("connect", "openmeter", *URL, "--reads").code == 0
    assert scalars(world, "SELECT scopes FROM api_keys") == [["usage:read", "usage:write"]]
