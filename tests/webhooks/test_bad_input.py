"""Bad input about endpoints and replays, over HTTP and at the terminal alike: refused, and nothing is changed."""

import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.integration.conftest import Cli, cli
from tests.support.events import relayed
from tests.support.refusals import TYPED, Doors, Row
from usage_billing.core.clock import instant_text, utc_now
from usage_billing.db.session import transaction
from usage_billing.outbox.service import Fact, tell

__all__ = ["cli"]

ALL, ONE = "/api/webhook-endpoints", "/api/webhook-endpoints/books"
PUBLIC = "https://1.1.1.1/hooks"
HOUR = timedelta(hours=1)
PRIVATE = {"localtest.example": "10.0.0.1", "metadata.example": "169.254.169.254", "six.example": "fd00::1"}


@pytest.fixture
def doors(engine: Engine, admin: FlaskClient, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Doors:
    """An endpoint, and names whose addresses are not public."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        return real(PRIVATE.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert admin.post(ALL, json={"id": "books", "url": PUBLIC, "types": ["invoice.paid"]}).status_code == 201
    return Doors(engine, admin, cli)


URLS = {
    "a file": "file:///etc/passwd",
    "FTP": "ftp://1.1.1.1/",
    "a user": "https://user@1.1.1.1/",
    "a password": "https://user:word@1.1.1.1/",
    "port 25": "https://1.1.1.1:25/",
    "no TLS": "http://1.1.1.1/",
    "a private address in IPv6": "http://[::ffff:10.0.0.1]/",
    "this machine as a number": "http://0x7f000001/",
    "this machine, cut short": "https://127.1/",
    "this machine": "https://localhost/",
    "a name of a private address": "https://localtest.example/hooks",
    "a name of a cloud's own": "https://metadata.example/hooks",
    "a name of a private address of IPv6": "https://six.example/hooks",
    "a name that there is not": "https://nothing.invalid/",
    "a name that decodes to a dot": "https://ex\u3002ample.com/",
    "a name of other letters": "https://b\u00fccher.example/",
    "3,000 characters": "https://1.1.1.1/" + "x" * 3000,
    "a fragment": "https://1.1.1.1/#part",
}


def made(url: str) -> Row:
    return Row({"id": "e", "url": url, "types": ["*"]}, ("endpoints", "create", "e", "--url", url), "/url")


def test_a_url_that_is_never_called_is_taken_for_no_endpoint(doors: Doors) -> None:
    doors.try_each({name: made(url) for name, url in URLS.items()}, ALL)
    doors.try_each({name: Row({"url": url}, None, "/url") for name, url in URLS.items()}, ONE, method="PATCH")
    for url in URLS.values():
        refused = doors.admin.post(ALL, json={"url": url, "types": ["*"]}).json["errors"]
        assert [one["code"] for one in refused] == ["address_refused"], url


def types(says: str, *named: str, typed: bool = True) -> Row:
    options = [one for name in named for one in ("--type", name)]
    command = ("endpoints", "create", "e", "--url", PUBLIC, *options) if typed else None
    sent = {"id": "e", "url": PUBLIC, "types": list(named)}
    return Row(sent, command, says, typed_says=TYPED if "invoice.sent" in named else "")


TYPES = {
    "a type that there is not": types("/types/0", "invoice.sent"),
    "such a one beside another": types("/types/1", "invoice.paid", "invoice.sent"),
    "all and one": types("/types/0", "*", "invoice.paid"),
    "none": types("/types", typed=False),
    "a secret of 23 bytes": Row(
        {"id": "e", "url": PUBLIC, "types": ["*"], "secret": "whsec_" + "A" * 31 + "="}, None, "/secret"
    ),
    "a description of 10,000 characters": Row(
        {"id": "e", "url": PUBLIC, "types": ["*"], "description": "x" * 10_000},
        ("endpoints", "create", "e", "--url", PUBLIC, "--description", "x" * 10_000),
        "/description",
        typed_says=TYPED,
    ),
    "the id of another": Row(
        {"id": "books", "url": PUBLIC, "types": ["*"]},
        ("endpoints", "create", "books", "--url", PUBLIC),
        "already_exists",
        409,
    ),
}


def test_what_is_no_endpoint(doors: Doors) -> None:
    doors.try_each(TYPES, ALL)


def test_the_fifty_first(doors: Doors) -> None:
    insert = (
        "INSERT INTO webhook_endpoints (id, kind, url, types, version, chosen_at)"
        " SELECT 'e' || n, 'webhook', 'https://1.1.1.1/', '{*}', '2026-12-01', now() FROM generate_series(2, 50) AS n"
    )
    with transaction(doors.engine) as session:
        session.execute(text(insert))
    doors.try_each({"one more": replace(made(PUBLIC), says="too_many_endpoints")}, ALL)


def replayed(says: str, *typed: str, status: int = 422, code: int = 2, typed_says: str = "", **sent: Any) -> Row:
    return Row(sent, typed, says, status, code, typed_says)


EARLY, LATE = "2026-11-13T00:00:00Z", "2026-11-14T00:00:00Z"
SPANS = {
    "from before what is kept": replayed("/since", "--since", "2026-01-01T00:00Z", since="2026-01-01T00:00:00Z"),
    "until before it begins": replayed("/until", "--since", LATE, "--until", EARLY, since=LATE, until=EARLY),
    "until it begins": replayed("/until", "--since", LATE, "--until", LATE, since=LATE, until=LATE),
    "without an offset": replayed("/since", "--since", LATE[:-1], typed_says=TYPED, since=LATE[:-1]),
    "of a type that there is not": replayed(
        "/types/0", "--since", LATE, "--type", "invoice.sent", typed_says=TYPED, since=LATE, types=["invoice.sent"]
    ),
    "of nothing": replayed("/since", typed_says=TYPED),
}


def test_a_span_that_is_not_replayed(doors: Doors) -> None:
    begins = ("endpoints", "replay", "books")
    doors.try_each(SPANS, f"{ONE}/replay", begins=begins)
    with transaction(doors.engine) as session:
        tell(session, [Fact("invoice.paid", "one", {}, "ann")])
    relayed(doors.engine)
    with transaction(doors.engine) as session:
        session.execute(text("UPDATE webhook_deliveries SET state = 'failed'"))
    span = {"since": instant_text(utc_now() - HOUR), "until": instant_text(utc_now() + HOUR)}
    assert doors.admin.post(f"{ONE}/replay", json=span).json["deliveries"] == 1
    again = replayed("replay_running", "--since", span["since"], "--until", span["until"], status=409, **span)
    doors.try_each({"while one runs": again}, f"{ONE}/replay", begins=begins)
    none = replayed("not_found", "endpoints", "replay", "none", "--since", LATE, status=404, code=3, since=LATE)
    doors.try_each({"to no endpoint": none}, f"{ALL}/none/replay")
