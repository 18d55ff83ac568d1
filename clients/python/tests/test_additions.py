"""What goes beyond recording: batches, look-ups, asyncio, modes for tests, another key, callbacks, one sender."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeClient, folder_of
from usage_service import Service

from usage_billing_client import NotAllowed, Recording, Refused, Undelivered, UsageClient

ONE = Recording("user123", "sub456", "report")


def test_a_batch_is_waited_for_all_or_none(service: Service, client: UsageClient) -> None:
    many = [Recording("u", "s", "t", idempotency_key="a"), Recording("u", "s", "t", 3, idempotency_key="b")]
    assert client.record_batch(many) == ["id-a", "id-b"]
    assert service.requests[0][1:] == ("/api/usage/record/batch", 2)
    with pytest.raises(Refused) as refused:
        client.record_batch([ONE, Recording("u", "s", "bad")])
    assert refused.value.errors[0]["pointer"] == "/events/1/usageType"
    with pytest.raises(ValueError, match="at most 1000"):
        client.record_batch([ONE] * 1001)
    with pytest.raises(ValueError, match="quantity"):
        client.record_batch([ONE, Recording("u", "s", "t", "many")])
    assert client.record_batch([]) == []
    service.mode = "proxy-413"
    with pytest.raises(Undelivered) as undelivered:
        client.record_batch([ONE, ONE])
    assert len(undelivered.value.keys) == 2
    assert service.order == ["a", "b"]


def test_what_is_left_out_of_a_batch_has_its_place(service: Service, make_client: MakeClient) -> None:
    def without_drafts(event: dict[str, Any]) -> dict[str, Any] | None:
        return None if event["usageType"] == "draft" else event

    draft = Recording("u", "s", "draft")
    a, b = Recording("u", "s", "t", idempotency_key="a"), Recording("u", "s", "t", idempotency_key="b")
    client = make_client(before_send=without_drafts)
    assert client.record_batch([draft, a, draft, b]) == [None, "id-a", None, "id-b"]
    assert client.record_batch([draft, draft]) == [None, None]
    with pytest.raises(Refused) as refused:
        client.record_batch([draft, a, draft, Recording("u", "s", "bad")])
    assert refused.value.errors[0]["pointer"] == "/events/3/usageType"
    kept = make_client(mode="memory", before_send=without_drafts)
    assert [bool(one) for one in kept.record_batch([draft, a])] == [False, True]


def test_look_ups(service: Service, client: UsageClient) -> None:
    assert client.recording("a/b") == {"asked": "/api/usage/records/a%2Fb", "status": "quarantined"}
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    asked = client.usage(subscription_id="sub456", start=start)["asked"]
    assert asked == "/api/usage/subscription/sub456?from=2026-01-01T00%3A00%3A00.000000Z"
    assert client.usage(user_id="user 1", cursor="x")["asked"] == "/api/usage/user/user%201?cursor=x"
    for wrong in ({}, {"user_id": "u", "subscription_id": "s"}):
        with pytest.raises(TypeError, match="not both"):
            client.usage(**wrong)
    service.mode = "404"
    with pytest.raises(Refused) as refused:
        client.recording("x")
    assert (refused.value.status, refused.value.code) == (404, "some_code")
    service.mode = "403"
    with pytest.raises(NotAllowed, match="usage:read"):
        client.recording("x")
    service.mode = "proxy-404"
    with pytest.raises(Undelivered):
        client.recording("x")


def test_asyncio_goes_on_meanwhile(service: Service, make_client: MakeClient) -> None:
    async def main() -> None:
        async with make_client() as client:
            assert await client.arecord("u", "s", "t", idempotency_key="a") == "a"
            assert await client.arecord_now("u", "s", "t", idempotency_key="b") == "id-b"
            assert len(await client.arecord_batch([ONE, ONE])) == 2
            assert await client.aflush()
            service.mode = "hang"
            waiting = asyncio.create_task(client.arecord_now("u", "s", "t", timeout=0.4))
            ticks = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                ticks += 1
            assert ticks > 5
            assert isinstance(waiting.exception(), Undelivered)
            service.mode = "ok"
            client.record("u", "s", "t", idempotency_key="last")

    asyncio.run(main())
    assert {"a", "b", "last"} <= set(service.accepted)


def test_in_memory_for_tests() -> None:
    client = UsageClient(mode="memory")
    key = client.record("u", "s", "t", 2, {"at": datetime(2026, 1, 1)})  # noqa: DTZ001 (naive on purpose)
    client.record_now("u", "s", "t")
    client.record_batch([ONE])
    assert client.recorded[0]["idempotencyKey"] == key
    assert client.recorded[0]["metadata"] == {"at": "2026-01-01T00:00:00"}
    assert client.stats.recorded == len(client.recorded) == 3
    assert client.record("u", "s", "t", "many") is None
    assert client.stats.refused == 1
    assert client.flush()
    with pytest.raises(TypeError, match="live"):
        client.recording("x")
    client.close()


def test_off() -> None:
    client = UsageClient("no address", mode="off")
    assert client.record("u", "s", "t") is not None
    assert client.record_now("u", "s", "t", idempotency_key="k") == "k"
    assert client.recorded == []
    client.use_key("x")
    with pytest.raises(ValueError, match="mode"):
        UsageClient(mode="dry")
    with pytest.raises(ValueError, match="address"):
        UsageClient(api_key="key")


def test_before_it_is_sent_a_recording_may_be_changed_or_left_out(service: Service, make_client: MakeClient) -> None:
    def before_send(event: dict[str, Any]) -> Mapping[str, Any] | None:
        return None if event["usageType"] == "internal" else {**event, "metadata": {"masked": True}}

    client = make_client(before_send=before_send)
    assert client.record("u", "s", "internal") is None
    assert client.record_now("u", "s", "internal") is None
    key = client.record("u", "s", "report", 1, {"name": "Ann"})
    assert client.flush()
    assert service.order == [key]
    assert service.accepted[str(key)]["metadata"] == {"masked": True}
    assert client.stats.refused == 0
    for mistake in (lambda _event: {}, lambda event: event.pop("nothing"), lambda _event: "x"):
        assert make_client(before_send=mistake).record("u", "s", "t") is None


def test_what_is_not_taken_is_told(make_client: MakeClient) -> None:
    told: list[tuple[Exception, Recording]] = []

    def on_error(error: Exception, given: Recording) -> None:
        told.append((error, given))
        raise RuntimeError("mistake of the caller")

    client = make_client(on_error=on_error, spill=False, tuning={"max_waiting": 1, "linger": 5.0})
    assert client.record("u", "s", "t", 1, {"x": object()}) is None
    client.record("u", "s", "t")
    assert client.record("u", "s", "t", 7) is None
    (first, _), (second, given) = told
    assert isinstance(first, TypeError)
    assert "lost" in str(second)
    assert given.quantity == 7


def test_ids_are_told_so_that_quarantine_can_be_seen(service: Service, make_client: MakeClient) -> None:
    told: list[tuple[str, str]] = []

    def on_accepted(event: Mapping[str, Any], identifier: str) -> None:
        told.append((event["idempotencyKey"], identifier))
        raise RuntimeError("mistake of the caller")

    client = make_client(on_accepted=on_accepted)
    keys = [client.record("u", "s", "t") for _ in range(3)]
    assert client.flush()
    assert told == [(key, f"id-{key}") for key in keys]
    assert client.recording(told[0][1])["status"] == "quarantined"


def test_another_key_takes_along_what_waits(service: Service, base: Path, make_client: MakeClient) -> None:
    client = make_client(tuning={"misconfigured_pause": 30.0})
    service.mode = "401"
    for number in range(5):
        client.record("u", "s", "t", number + 1)
    service.wait_for_requests(1)
    assert not client.flush(0.2)
    service.mode = "ok"
    client.use_key("new-key\n")
    assert client.flush()
    assert service.quantities() == ["1", "2", "3", "4", "5"]
    assert service.headers[-1]["x-api-key"] == "new-key"
    assert client.record_now("u", "s", "t") is not None
    assert service.headers[-1]["x-api-key"] == "new-key"
    assert list(folder_of(base, service.url).iterdir()) == list(
        folder_of(base, service.url, api_key="new-key").iterdir()
    )
    with pytest.raises(ValueError, match="api_key"):
        client.use_key("")


def test_what_is_taken_along_is_in_the_folder_of_the_new_key(
    service: Service, base: Path, make_client: MakeClient
) -> None:
    service.mode = "401"
    client = make_client(write_ahead=True)
    client.record("u", "s", "t")
    client.use_key("new-key")
    assert list(folder_of(base, service.url).iterdir()) == []
    client.record("u", "s", "t")
    client.close(0.1)
    (left,) = folder_of(base, service.url, api_key="new-key").iterdir()
    assert left.read_bytes().count(b"\n") == 2


def test_another_key_takes_along_what_a_dead_process_left(service: Service, make_client: MakeClient) -> None:
    service.mode = "503"
    first = make_client()
    first.record("u", "s", "t")
    first.close()
    service.mode = "hang"
    client = make_client(tuning={"timeout": 0.3})
    client.use_key("new-key")
    time.sleep(1)  # what was under way with the other key has timed out
    service.mode = "ok"
    assert client.flush()
    assert service.quantities() == ["1"]
    assert service.headers[-1]["x-api-key"] == "new-key"


def test_clients_that_are_made_alike_share_one_sender(service: Service, make_client: MakeClient) -> None:
    before = threading.active_count()
    clients = [make_client(tuning={"linger": 0.5}) for _ in range(10)]
    for client in clients:
        client.record("u", "s", "t")
    assert threading.active_count() == before + 1 + service.connections
    assert clients[0].stats.recorded == 10
    clients[0].close()
    assert len(service.accepted) == 10
    assert len(service.requests) == 1
    clients[1].record("u", "s", "t")
    assert clients[1].flush()
    other = make_client(api_key="other-key")
    other.record("u", "s", "t")
    assert other.stats.recorded == 1
    assert other.flush()
    for client in clients:
        client.close()
    assert threading.active_count() <= before + 1 + 2 * service.connections
    gc.collect()
    again = make_client(tuning={"linger": 0.5})
    again.record("u", "s", "t")
    assert again.flush()
    assert len(service.accepted) == 13


def test_the_last_of_them_keeps_what_is_not_sent(service: Service, folder: Path, make_client: MakeClient) -> None:
    service.mode = "503"
    clients = [make_client(), make_client()]
    for client in clients:
        client.record("u", "s", "t")
    began = time.monotonic()
    for client in clients:
        client.close(0.5)
    assert time.monotonic() - began < 5
    assert sum(path.read_bytes().count(b"\n") for path in folder.glob("spill-*")) == 2
