"""What happens reaches each endpoint at least once, under one id, whatever the endpoint or the worker does."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Engine, text

from tests.architecture.sources import ROOT
from tests.support.books import rows, scalars
from tests.support.receivers import Receiver, drip, flood, hang, hang_until, receiving, reset, status
from tests.webhooks.conftest import SECRET, TURN, World
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.forget_events import forget_events
from usage_billing.flows.delivering.manage_endpoints import (
    disable_endpoint,
    enable_endpoint,
    remove_endpoint,
    rotate_secret,
)
from usage_billing.flows.delivering.send_again import Span, replay, resend_event
from usage_billing.webhooks.retries import LADDER
from usage_billing.webhooks.signing import headers_of

WHOLE = 15


def test_an_event_is_sent_once_as_its_bytes_and_signed(world: World, receiver: Receiver) -> None:
    secret = world.endpoint(receiver)
    ids = world.tell("ann", None)
    assert world.send() == 2
    assert sorted(receiver.ids) == sorted(ids)
    bodies = {f"evt_{row.public_id.hex}": bytes(row.body) for row in rows(world.engine, _BODIES)}
    for got in receiver.got:
        assert got.body == bodies[got.headers["webhook-id"]]
        at = world.now().fromtimestamp(int(got.headers["webhook-timestamp"]), tz=world.now().tzinfo)
        expected = headers_of([secret], id=got.headers["webhook-id"], at=at, body=got.body)
        assert got.headers["webhook-signature"] == expected["webhook-signature"]
        assert got.headers["content-type"] == "application/json"
        assert got.headers["user-agent"] == "usage-billing-webhooks/1"
        assert got.headers["host"] == receiver.url.split("/")[2]
    assert world.states() == [("sent", 1)] * 2
    assert world.send() == 0
    assert len(receiver.got) == 2


_BODIES = "SELECT o.public_id, b.body FROM outbox_messages AS o JOIN event_bodies AS b ON b.event_id = o.id"


def test_an_endpoint_gets_what_it_asked_for_from_its_beginning_on(world: World, receiver: Receiver) -> None:
    world.tell("ann")
    world.endpoint(receiver, "one", types=["invoice.paid"])
    world.endpoint(receiver, "two", types=["invoice.voided", "run.failed"])
    make_customer(world, "ann")
    world.endpoint(receiver, "ann", customer_id="ann")
    paid = world.tell("ann", "bob")
    voided = world.tell("bob", topic="invoice.voided")
    world.send()
    got = {id: world.states(id) for id in ("one", "two", "ann")}
    assert got == {"one": [("sent", 1)] * 2, "two": [("sent", 1)], "ann": [("sent", 1)]}
    assert sorted(receiver.ids) == sorted([*paid, *voided, paid[0]])


def make_customer(world: World, name: str) -> None:
    """A customer that an endpoint may be for."""
    with transaction(world.engine) as session:
        session.execute(text("INSERT INTO customers (id, name) VALUES (:id, :id)"), {"id": name})


BAD = {
    "says 500": (status(500, b"no"), "500"),
    "redirects": (status(302, Location="http://169.254.169.254/"), "302"),
    "resets": (reset, "Connection"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_taken_is_tried_again_on_the_ladder_and_fails_after_ten(
    world: World, receiver: Receiver, kind: str
) -> None:
    world.endpoint(receiver)
    (id,) = world.tell("ann")
    receiver.answer = BAD[kind][0]
    for tries in range(1, 11):
        assert world.send() == 1, tries
        assert world.send() == 0
        assert world.states() == [("failed" if tries == 10 else "waiting", tries)]
        if tries < 10:
            world.ahead += LADDER[tries] * 12 / 10 + timedelta(seconds=1)
    assert receiver.ids == [id] * 10
    attempts = rows(world.engine, "SELECT status, error FROM webhook_attempts ORDER BY id")
    assert len(attempts) == 10
    assert all(BAD[kind][1] in f"{one.status} {one.error}" for one in attempts)


def test_it_goes_on_after_a_days_outage_and_nothing_is_skipped(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    receiver.answer = status(503)
    ids = world.tell(*["ann"] * 12)
    for _ in range(4):
        world.send()
        world.ahead += timedelta(hours=8)
    receiver.answer = status(200, b"ok")
    receiver.got.clear()
    for _ in range(3):
        world.send()
        world.ahead += timedelta(hours=25)
    assert sorted(receiver.ids) == sorted(ids)
    assert {state for state, _ in world.states()} == {"sent"}
    assert world.row().failing_since is None


def test_an_endpoint_that_asks_to_wait_is_waited_for(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.tell("ann")
    receiver.answer = status(429, Retry_After="3600")
    world.send()
    world.tell("ann")
    world.ahead = timedelta(minutes=59)
    assert world.send() == 0
    world.ahead = timedelta(minutes=61)
    receiver.answer = status(200)
    assert world.send() == 2


def test_one_that_answers_410_is_disabled_and_the_others_are_told(world: World, receiver: Receiver) -> None:
    with receiving() as other:
        world.endpoint(receiver)
        world.endpoint(other, "other", types=["endpoint.disabled"])
        world.tell("ann", "ann")
        receiver.answer = status(410)
        world.send()
        world.tell("ann")
        world.send()
        assert (world.row().status, world.row().disabled_reason) == ("disabled", "gone")
        assert [state for state, _ in world.states()] == ["held"] * 3
        (told,) = [json.loads(one.body) for one in other.got]
        assert (told["type"], told["data"]["endpointId"], told["data"]["reason"]) == ("endpoint.disabled", "e", "gone")


def test_one_that_fails_for_five_days_is_disabled_and_everything_is_held(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    receiver.answer = status(500)
    for _ in range(12):
        world.tell("ann")
        world.send()
        world.ahead += timedelta(hours=12)
    assert world.row().disabled_reason == "failing"
    world.tell("ann")
    assert {state for state, _ in world.states()} <= {"held", "failed"}
    held = [state for state, _ in world.states()].count("held")
    assert world.send() == 0
    receiver.answer = status(200)
    with transaction(world.engine) as session:
        enable_endpoint(session, "e", resume="all", actor="test", now=world.now())
    for _ in range(3):
        world.send()
    assert [state for state, _ in world.states()].count("sent") == held > 1


@pytest.mark.parametrize(("resume", "expected"), [("all", ["sent"] * 3), ("failed", ["sent", "dropped", "dropped"]),
                                                  ("none", ["dropped"] * 3)])  # fmt: skip
def test_what_is_held_goes_out_as_it_is_asked(
    world: World, receiver: Receiver, resume: str, expected: list[str]
) -> None:
    world.endpoint(receiver)
    receiver.answer = status(500)
    world.tell("ann")
    world.send()
    for change in (disable_endpoint, None):
        if change:
            with transaction(world.engine) as session:
                change(session, "e", actor="test", now=world.now())
        world.tell("ann")
    receiver.answer = status(200)
    with transaction(world.engine) as session:
        enable_endpoint(session, "e", resume=resume, actor="test", now=world.now())
    world.send()
    assert [state for state, _ in world.states()] == expected


def test_in_order_a_customers_events_wait_for_each_other_and_others_do_not(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver, ordered=True)
    ids = world.tell("ann", "bob", "ann", "bob", "ann", None)
    names = dict(zip(ids, ("ann", "bob", "ann", "bob", "ann", None), strict=True))
    bad = status(500)
    receiver.answer = lambda handler, got: (bad if got.headers["webhook-id"] == ids[0] else status(200))(handler, got)
    world.send()
    world.ahead += timedelta(minutes=1)
    world.send()
    taken = [id for id in receiver.ids if id != ids[0]]
    assert [id for id in taken if names[id] == "bob"] == [ids[1], ids[3]]
    assert ids[2] not in taken
    assert ids[4] not in taken
    assert ids[5] in taken
    receiver.answer = status(200)
    receiver.got.clear()
    world.ahead += timedelta(hours=1)
    world.send()
    assert receiver.ids == [ids[0], ids[2], ids[4]]


def test_in_order_what_failed_for_good_lets_the_next_go(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver, ordered=True)
    first, second = world.tell("ann", "ann")
    with transaction(world.engine) as session:
        session.execute(text("UPDATE webhook_deliveries SET tries = 9 WHERE position = 1"))
    receiver.answer = status(500)
    world.send()
    assert world.states() == [("failed", 10), ("waiting", 0)] or world.states()[0] == ("failed", 10)
    receiver.answer = status(200)
    world.ahead += timedelta(minutes=1)
    world.send()
    assert receiver.ids[-1] == second
    assert receiver.ids[0] == first


def test_endpoints_that_hang_keep_nothing_from_another(world: World, receiver: Receiver) -> None:
    answered = Event()
    slow_ones = [f"slow{number}" for number in range(3)]
    with receiving() as slow:
        slow.answer = hang_until(answered)
        for name in slow_ones:
            world.endpoint(slow, name)
        world.endpoint(receiver)
        for customers in (["ann"] * 20, ["ann"]):
            told = len(receiver.got) + len(world.tell(*customers))
            for _ in range(4):
                if len(receiver.got) < told:
                    world.send(timedelta(seconds=1))
            assert len(receiver.got) == told
            assert 0 < len(slow.got) <= 3 * 8
            assert {state for name in slow_ones for state in world.states(name)} == {("waiting", 0)}
        answered.set()


def test_an_exchange_takes_15_seconds_at_most_and_of_the_answer_4_kib_are_kept(world: World) -> None:
    """All three at once: each has the whole time for itself."""
    answers = {"drips": (drip, False), "floods": (flood, True), "hesitates": (hang(14.2, status(200)), True)}
    with ExitStack() as stack:
        for name, (answer, _) in answers.items():
            receiver = stack.enter_context(receiving())
            receiver.answer = answer
            world.endpoint(receiver, name)
        world.tell("ann")
        assert world.send(timedelta(seconds=WHOLE + 5)) == len(answers)
    for name, (_, taken) in answers.items():
        assert world.states(name) == [("sent" if taken else "waiting", 1)]
        (attempt,) = rows(world.engine, _ATTEMPTS_OF, endpoint=name)
        assert len(attempt.answer or "") <= 4096
        assert taken or "15 s" in attempt.error


_ATTEMPTS_OF = """
    SELECT a.error, a.answer FROM webhook_attempts AS a JOIN webhook_deliveries AS d ON d.id = a.delivery_id
    WHERE d.endpoint_id = :endpoint
"""


def test_a_host_is_judged_at_every_try_and_called_where_it_was_judged(world: World, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    world.endpoint(f"http://hooks.example:{port}/x")
    world.tell("ann")
    world.addresses = lambda *_: ["127.0.0.1"]
    world.send()
    assert receiver.got[0].headers["host"] == f"hooks.example:{port}"
    asked: list[str] = []

    def changing(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["169.254.169.254"] if len(asked) == 1 else ["127.0.0.1", "10.0.0.1"]

    world.addresses = changing
    world.tell("ann")
    for _ in range(2):
        world.send()
        world.ahead += timedelta(hours=1)
    assert len(asked) == 2
    assert len(receiver.got) == 1
    errors = scalars(world.engine, "SELECT error FROM webhook_attempts WHERE error IS NOT NULL")
    assert [error.startswith("address_refused") for error in errors] == [True, True]


def test_two_secrets_sign_during_a_rotation_and_one_after_it(world: World, receiver: Receiver) -> None:
    old = world.endpoint(receiver)
    with transaction(world.engine) as session:
        new = rotate_secret(
            session, "e", overlap=timedelta(hours=1), under=SECRET, actor="test", now=world.now()
        ).secret
    for hours, secrets in ((0, [new, old]), (2, [new])):
        world.ahead = timedelta(hours=hours)
        world.tell("ann")
        world.send()
        got = receiver.got[-1]
        at = world.now().fromtimestamp(int(got.headers["webhook-timestamp"]), tz=world.now().tzinfo)
        expected = headers_of(secrets, id=got.headers["webhook-id"], at=at, body=got.body)
        assert got.headers["webhook-signature"] == expected["webhook-signature"]


def test_an_event_is_sent_again_and_a_span_is_replayed_behind_what_is_new(world: World, receiver: Receiver) -> None:
    before = world.tell("ann", "bob")
    world.endpoint(receiver)
    (sent,) = world.tell("ann")
    world.send()
    with transaction(world.engine) as session:
        assert resend_event(session, sent, endpoint_id=None, actor="test", now=world.now()) == 1
    world.send()
    assert receiver.ids == [sent, sent]
    receiver.got.clear()
    since = world.now() - timedelta(hours=1)
    with transaction(world.engine) as session:
        missing = replay(session, "e", Span(since=since, failed=True), actor="test", now=world.now())
    assert missing.deliveries == 2
    (new,) = world.tell("ann")
    world.send()
    assert receiver.ids[0] == new or set(receiver.ids) == {new, *before}
    assert set(receiver.ids) == {new, *before}
    with transaction(world.engine) as session:
        whole = replay(session, "e", Span(since=since), actor="test", now=world.now())
    assert whole.deliveries == 4


def test_an_event_of_one_customer_is_never_sent_to_an_endpoint_of_another(world: World, receiver: Receiver) -> None:
    make_customer(world, "ann")
    make_customer(world, "bob")
    world.endpoint(receiver, "anns", customer_id="ann")
    world.endpoint(receiver, "bobs", customer_id="bob")
    (id,) = world.tell("ann")
    (of_none,) = world.tell(None)
    for event in (id, of_none):
        with pytest.raises(Conflict, match="another customer") as caught, transaction(world.engine) as session:
            resend_event(session, event, endpoint_id="bobs", actor="test", now=world.now())
        assert caught.value.code == "other_customer"
    with transaction(world.engine) as session:
        assert resend_event(session, id, endpoint_id="anns", actor="test", now=world.now()) == 1
    world.send()
    assert world.states("bobs") == []


def test_a_rate_is_kept(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver, rate_per_second=2)
    world.tell(*["ann"] * 6)
    for count in (2, 4, 6):
        world.send()
        assert len(receiver.got) == count
        assert world.send() == 0
        world.ahead += timedelta(seconds=1.1)


def test_two_processes_send_everything_once(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    ids = world.tell(*[f"c{number}" for number in range(200)])
    others = [world.another() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda one: one.turn(TURN, patience=TURN), others))
    assert sum(counts) == 200
    assert sorted(receiver.ids) == sorted(ids)


@pytest.mark.parametrize("point", ["deliver.noted", "deliver.claimed"])
def test_what_a_killed_worker_had_is_sent_by_another_under_the_same_id(
    world: World, receiver: Receiver, tmp_path: Path, point: str
) -> None:
    world.endpoint(receiver)
    ids = world.tell("ann", "bob")
    (tmp_path / point).touch()
    done = subprocess.run(
        [sys.executable, "-c", "from tasks.webhooks import deliver; deliver()"],
        env={**os.environ, "CRASH_AT": str(tmp_path), "USAGE_BILLING_WEBHOOK_NETWORKS": "127.0.0.0/8"},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    world.ahead = timedelta(seconds=61)
    world.send()
    assert sorted(set(receiver.ids)) == sorted(ids)
    assert {state for state, _ in world.states()} == {"sent"}


def test_what_is_old_is_forgotten_and_an_endpoint_goes_with_its_deliveries(
    world: World, receiver: Receiver, engine: Engine
) -> None:
    world.endpoint(receiver)
    world.tell("ann", "bob")
    world.send()
    with transaction(engine) as session:
        assert forget_events(session, now=world.now() + timedelta(days=29)) == 0
        assert forget_events(session, now=world.now() + timedelta(days=31)) == 2
        assert forget_events(session, now=world.now() + timedelta(days=91)) == 4
    world.tell("ann")
    world.send()
    with transaction(engine) as session:
        remove_endpoint(session, "e", actor="test", now=world.now())
    for table in ("webhook_endpoints", "webhook_secrets", "webhook_deliveries", "webhook_attempts"):
        assert scalars(engine, f"SELECT count(*) FROM {table}") == [0]
    assert world.send() == 0


def test_secrets_are_sealed_and_another_secret_of_the_service_sends_nothing_unsigned(
    world: World, receiver: Receiver
) -> None:
    secret = world.endpoint(receiver)
    (sealed,) = scalars(world.engine, "SELECT sealed FROM webhook_secrets")
    assert secret.encode() not in bytes(sealed)
    world.tell("ann")
    world.courier.carrier = replace(world.courier.carrier, secret="another-secret-of-the-service-of-32-characters")
    world.send()
    assert receiver.got == []
    assert "USAGE_BILLING_SECRET" in scalars(world.engine, "SELECT error FROM webhook_attempts")[0]
