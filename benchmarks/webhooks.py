"""Telling endpoints: how many deliveries a second, what an endpoint that hangs costs others, and recordings beside."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text

import usage_billing.all_models  # noqa: F401  a process that writes knows every table
from benchmarks import events
from benchmarks.load import request, save
from benchmarks.machine import Machine, key, machine
from benchmarks.receiver import receiver, server_of, well
from benchmarks.report import Figure, rate
from benchmarks.turns import Turns, in_turns
from tests.faults.system import SECRET, System
from tests.support.events import relayed
from usage_billing.core.clock import utc_now
from usage_billing.db.session import make_engine, read_only, transaction
from usage_billing.flows.delivering.carry_webhooks import WebhookCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.outbox.service import Fact, tell
from usage_billing.webhooks.sending import Exchange
from usage_billing.webhooks.signing import headers_of, make_secret

PROCESSES = 2
_TYPE = "invoice.finalized"
_LOOPBACK = (ip_network("127.0.0.0/8"),)
_ENDPOINTS = 2
_TURN = timedelta(seconds=4)
_WAITS = """
    SELECT EXISTS (SELECT FROM outbox_messages WHERE relayed_at IS NULL)
        OR EXISTS (SELECT FROM webhook_deliveries WHERE state = 'waiting')
"""
# Whether the relay, which beat wakes every 5 s, has numbered none of the facts told last.
_NOT_BEGUN = "SELECT relayed_at IS NULL FROM outbox_messages ORDER BY id DESC LIMIT 1 OFFSET {others}"


def run(*, quick: bool) -> list[Figure]:
    """Deliveries beside the same client in a loop; one that hangs beside none; recordings beside final invoices."""
    number, rounds, told, recordings = (200, 1, 40, 400) if quick else (3000, 5, 200, 3000)
    with TemporaryDirectory(prefix="usage-billing-bench-") as place, System(Path(place) / "home") as system:
        url = system.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        engine = make_engine(url)
        with receiver() as port:
            bodies = _bodies(engine, number)
            seconds = in_turns(
                rounds,
                {
                    "delivered": lambda: _delivered(engine, url, port, number),
                    "posted": lambda: _by_all(_post, [(port, bodies[part::PROCESSES]) for part in range(PROCESSES)]),
                },
            )
        alone, beside = (_latest(engine, url, told, hanging=hanging) for hanging in (False, True))
        engine.dispose()
    invoices = number if quick else 10_000
    times = _recordings(1 if quick else 5, recordings, invoices)
    return [
        Figure(
            what=f"{number} deliveries to two endpoints, by two processes",
            measured=rate(number, seconds.middle("delivered")),
            yardstick=f"{rate(number, seconds.middle('posted'))} by the same client in a loop, two processes",
            value=seconds.ratio("posted", "delivered"),
            at_least=0.4,
        ),
        Figure(
            what="an endpoint that hangs: how much later the latest event of another arrives",
            measured=f"{beside:.2f} s after it was told",
            yardstick=f"{alone:.2f} s without it",
            value=beside - alone,
            at_most=1,
        ),
        Figure(
            what=f"p99 of recording while {invoices} final invoices go to two endpoints",
            measured=f"{times.middle('beside'):.1f} ms",
            yardstick=f"{times.middle('alone'):.1f} ms alone",
            value=times.ratio("beside", "alone"),
            at_most=1.2,
        ),
    ]


def _facts(number: int) -> list[Fact]:
    """Final invoices, as they are told."""
    invoice = {"currency": "EUR", "total": "12.34", "status": "finalized", "note": "x" * 600}
    ids = [str(uuid4()) for _ in range(number)]
    return [
        Fact(
            "invoice.finalized",
            f"bench:{id}",
            {"invoiceId": id, "number": id[:8], "invoice": invoice},
            f"c{place % 50}",
        )
        for place, id in enumerate(ids)
    ]


def _bodies(engine: Engine, number: int) -> list[bytes]:
    """Bodies of events as they are kept."""
    with transaction(engine) as session:
        tell(session, _facts(number))
    relayed(engine)
    with read_only(engine) as session:
        return [bytes(row.body) for row in session.execute(text("SELECT body FROM event_bodies"))]


def _endpoint(engine: Engine, id: str, port: int) -> None:
    new = NewEndpoint(id=id, url=f"http://127.0.0.1:{port}/hooks", types=[_TYPE])
    with transaction(engine) as session:
        create_endpoint(session, new, under=SECRET, actor="bench", now=utc_now())


def _delivered(engine: Engine, url: str, port: int, number: int) -> float:
    _forget(engine)
    for place in range(_ENDPOINTS):
        _endpoint(engine, f"e{place}", port)
    with transaction(engine) as session:
        tell(session, _facts(number // _ENDPOINTS))
    relayed(engine)
    seconds = _by_all(_deliver, [url] * PROCESSES)
    with read_only(engine) as session:
        sent = session.scalar(text("SELECT count(*) FROM webhook_deliveries WHERE state = 'sent'"))
    if sent != number:
        raise RuntimeError(f"{sent} of {number} were sent")
    return seconds


def _forget(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text("DELETE FROM webhook_endpoints"))


def _by_all(work: Callable[[Any], None], given: Sequence[Any]) -> float:
    """How long processes take for their parts, in seconds, from when all of them run."""
    with multiprocessing.get_context("spawn").Pool(len(given)) as pool:
        pool.map(_nothing, given, chunksize=1)
        began = time.perf_counter()
        pool.map(work, given, chunksize=1)
        return time.perf_counter() - began


def _nothing(_given: object) -> None:
    time.sleep(0.5)  # so that each process takes one


def _deliver(url: str) -> None:
    """As a worker does: turn after turn. One ends early where the other process claims at that moment."""
    engine = make_engine(url)
    courier = Courier(engine, WebhookCarrier(SECRET, _LOOPBACK))
    while courier.turn(_TURN) or _asked(engine, _WAITS):
        time.sleep(0.02)
    engine.dispose()


def _asked(engine: Engine, question: str) -> bool:
    with read_only(engine) as session:
        return bool(session.scalar(text(question)))


def _post(given: tuple[int, Sequence[bytes]]) -> None:
    port, bodies = given
    secret = make_secret()
    for body in bodies:
        headers = headers_of([secret], id="evt_0", at=utc_now(), body=body)
        answer = Exchange().post(f"http://127.0.0.1:{port}/hooks", body, headers, allowed=_LOOPBACK)
        if answer.status != 204:
            raise RuntimeError(answer.error)


def _latest(engine: Engine, url: str, number: int, *, hanging: bool) -> float:
    """The longest that an event took from its telling to an endpoint, in seconds; perhaps beside one that hangs."""
    _forget(engine)
    came: dict[str, float] = {}
    over = threading.Event()

    def note(handler: BaseHTTPRequestHandler) -> None:
        came[handler.headers["webhook-id"]] = time.monotonic()
        well(handler)

    servers = [server_of(0, note), server_of(0, lambda _: (over.wait(60), None)[1])]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _endpoint(engine, "quick", servers[0].server_port)
    if hanging:
        _endpoint(engine, "hangs", servers[1].server_port)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    workers = [context.Process(target=_deliver_until, args=(url, stop), daemon=True) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    told: dict[str, float] = {}
    time.sleep(3)  # until the processes run
    for fact in _facts(number):
        told[fact.dedupe_key] = time.monotonic()
        with transaction(engine) as session:
            tell(session, [fact])
        relayed(engine)
        time.sleep(0.05)
    with read_only(engine) as session:
        rows = session.execute(text("SELECT dedupe_key, public_id FROM outbox_messages")).all()
    ids = {row.dedupe_key: f"evt_{row.public_id.hex}" for row in rows if row.dedupe_key in told}
    deadline = time.monotonic() + 60
    while len(came) < number and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    over.set()
    for worker in workers:
        worker.join(30)
    for server in servers:
        server.shutdown()
    return max(came[ids[name]] - at for name, at in told.items())


def _deliver_until(url: str, stop: Any) -> None:
    """As a worker does: turn after turn."""
    engine = make_engine(url)
    courier = Courier(engine, WebhookCarrier(SECRET, _LOOPBACK))
    while not stop.is_set():
        courier.turn(_TURN, stopping=stop.is_set)
        time.sleep(0.02)
    engine.dispose()


def _recordings(turns: int, number: int, invoices: int) -> Turns[float]:
    """The p99 of recording one by one, in milliseconds: alone, and while final invoices are told to two endpoints.

    One turn alone decides nothing: the disk is slower in one minute than in the next.
    """
    more = {"USAGE_BILLING_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with machine(api=1, environment=more) as made, receiver() as port:
        engine = make_engine(made.postgres.url().replace("postgresql://", "postgresql+psycopg://"))
        for place in range(_ENDPOINTS):
            _endpoint(engine, f"e{place}", port)
        _record(made, 300)
        times = in_turns(
            turns,
            {"alone": lambda: _record(made, number), "beside": lambda: _record_beside(made, engine, number, invoices)},
        )
        engine.dispose()
    return times


def _record_beside(made: Machine, engine: Engine, number: int, invoices: int) -> float:
    """The p99 from when invoices are told; what is left of telling the endpoints afterwards is waited for."""
    with transaction(engine) as session:
        tell(session, _facts(invoices))
    _until(lambda: not _asked(engine, _NOT_BEGUN.format(others=invoices - 1)))
    found = _record(made, number)
    _until(lambda: not _asked(engine, _WAITS))
    return found


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the endpoints are not told")
        time.sleep(0.05)


def _record(made: Machine, number: int) -> float:
    file = made.home / "requests"
    save(file, (request("/api/usage/record", body, key=key()) for body in events.bodies(number, batch=1)))
    return events.percentile(made.client(file, rate=200).times, 99)
