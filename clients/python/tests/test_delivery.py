"""Every recording arrives once, whatever the service does meanwhile."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeClient
from usage_service import Service

from usage_billing_client import UsageClient


def record(client: UsageClient, amount: int, usage_type: str = "report", start: int = 1) -> list[str | None]:
    """Record the quantities from ``start`` on."""
    return [client.record("user123", "sub456", usage_type, start + number) for number in range(amount)]


def test_the_example_of_the_founding_document(service: Service, make_client: MakeClient) -> None:
    client = make_client()
    before = datetime.now(timezone.utc)
    key = client.record("user123", "sub456", "report", 1, {"reportId": "abc123"})
    assert client.flush()
    assert key is not None
    event = service.accepted[key]
    sent_at = datetime.fromisoformat(event.pop("timestamp").replace("Z", "+00:00"))
    assert before <= sent_at <= datetime.now(timezone.utc)
    assert event == {
        "userId": "user123",
        "subscriptionId": "sub456",
        "usageType": "report",
        "quantity": "1",
        "metadata": {"reportId": "abc123"},
        "idempotencyKey": key,
    }
    assert service.requests[0][1] == "/api/usage/record/batch"
    assert service.headers[0]["x-api-key"] == "test-key"
    assert service.headers[0]["content-type"] == "application/json"


def test_the_time_and_the_metadata_are_those_of_the_call(service: Service, client: UsageClient) -> None:
    service.script.extend(["503", "503"])
    metadata = {"reportId": "abc123"}
    called_at = datetime.now(timezone.utc)
    key = client.record("user123", "sub456", "report", 1, metadata)
    returned_at = datetime.now(timezone.utc)
    metadata["reportId"] = "changed"
    assert client.flush()
    event = service.accepted[str(key)]
    assert event["metadata"] == {"reportId": "abc123"}
    assert called_at <= datetime.fromisoformat(event["timestamp"][:-1] + "+00:00") <= returned_at


def test_many_go_in_few_requests_in_order_over_one_connection(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"linger": 1.0})
    record(client, 2500)
    assert client.flush()
    assert service.quantities() == [str(number) for number in range(1, 2501)]
    assert max(count for _, _, count in service.requests) == 1000
    assert len(service.requests) <= 5
    assert service.connections == 1
    assert service.copies == 0


def test_requests_stay_below_a_megabyte(service: Service, client: UsageClient) -> None:
    for _ in range(150):
        client.record("user123", "sub456", "report", 1, {"note": "x" * 15_000})
    assert client.flush()
    assert len(service.accepted) == 150
    assert service.largest <= 1_000_000


@pytest.mark.parametrize("trouble", ["503", "429", "500", "408", "drop", "cut", "hang", "accept-hang"])
def test_it_arrives_once_through(trouble: str, service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"timeout": 0.5 if "hang" in trouble else 10.0})
    service.script.extend([trouble, trouble])
    record(client, 10)
    assert client.flush()
    assert service.quantities() == [str(number) for number in range(1, 11)]
    assert client.stats.accepted == 10
    assert client.stats.retried == 2
    assert client.stats.dropped == client.stats.refused == 0


def test_retry_after_is_waited_out(service: Service, client: UsageClient) -> None:
    service.retry_after = "1"
    service.script.append("503")
    record(client, 1)
    assert client.flush()
    (first, *_), (second, *_) = service.requests
    assert 1.0 <= second - first < 2.5


def test_a_long_retry_after_moves_recordings_to_the_file_meanwhile(
    service: Service, folder: Path, make_client: MakeClient
) -> None:
    client = make_client()
    service.retry_after = "120"
    service.mode = "429"
    record(client, 3)
    service.wait_for_requests(1)
    assert not client.flush(0.3)
    assert client.stats.spilled == 3
    assert sum(len(path.read_bytes().splitlines()) for path in folder.glob("spill-*")) == 3
    assert len(service.requests) == 1


def test_a_kept_connection_that_was_closed_is_no_failure(service: Service, client: UsageClient) -> None:
    record(client, 1)
    assert client.flush()
    service.close_connections()
    time.sleep(0.05)
    record(client, 1, start=2)
    assert client.flush()
    assert client.stats.accepted == 2
    assert client.stats.retried == 0
    assert service.connections == 2


def test_some_are_refused_the_others_arrive(service: Service, folder: Path, make_client: MakeClient) -> None:
    told: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    client = make_client(on_refused=lambda event, why: told.append((event, why)), tuning={"linger": 1.0})
    good = record(client, 20)
    bad = record(client, 2, "bad")
    good += record(client, 20, start=100)
    assert client.flush()
    assert service.order == good
    assert (client.stats.accepted, client.stats.refused) == (40, 2)
    assert len(service.requests) == 2
    kept = [json.loads(line) for line in (folder / "refused.jsonl").read_text().splitlines()]
    assert [entry["event"]["idempotencyKey"] for entry in kept] == bad
    assert kept[0]["status"] == 422
    assert kept[0]["errors"][0]["detail"] == "is bad"
    assert [event["idempotencyKey"] for event, _ in told] == bad
    assert told[0][1]["errors"][0]["code"] == "invalid"


def test_a_callback_that_fails_hurts_nobody(service: Service, make_client: MakeClient) -> None:
    def fail(_event: object, _why: object) -> None:
        raise RuntimeError("mistake of the caller")

    client = make_client(on_refused=fail)
    record(client, 1, "bad")
    record(client, 5)
    assert client.flush()
    assert (client.stats.accepted, client.stats.refused) == (5, 1)


def test_one_that_spoils_its_batch_without_being_named_is_found(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"linger": 1.0})
    good = record(client, 60)
    client.record("user123", "sub456", "odd")
    good += record(client, 39, start=100)
    assert client.flush()
    assert service.order == good
    assert (client.stats.accepted, client.stats.refused) == (99, 1)
    assert len(service.requests) < 20


def test_a_service_that_takes_smaller_batches(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"linger": 1.0})
    service.max_events = 30
    record(client, 100)
    assert client.flush()
    assert service.quantities() == [str(number) for number in range(1, 101)]


@pytest.mark.parametrize("answer", ["401", "403", "404", "html"])
def test_what_a_person_must_mend_is_kept_and_said_once(
    answer: str, service: Service, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(tuning={"misconfigured_pause": 0.05})
    service.mode = answer
    record(client, 5)
    service.wait_for_requests(4)
    assert not client.flush(0.1)
    stats = client.stats
    assert (stats.accepted, stats.refused, stats.dropped, stats.spilled) == (0, 0, 0, 5)
    said = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert len(said) == 1
    hint = {"401": "api_key", "403": "usage:write"}.get(answer, "address")
    assert hint in said[0].getMessage()
    assert "test-key" not in caplog.text
    service.mode = "ok"
    assert client.flush()
    assert service.quantities() == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("answer", ["proxy-413", "proxy-400", "foreign-400", "foreign-422", "proxy-409"])
def test_what_another_program_answers_refuses_nothing(
    answer: str, service: Service, make_client: MakeClient, folder: Path
) -> None:
    client = make_client(tuning={"linger": 1.0})
    service.mode = answer
    record(client, 40)
    assert not client.flush(0.3)
    service.mode = "ok"
    assert client.flush()
    in_order = [str(number) for number in range(1, 41)]
    assert sorted(service.quantities(), key=int) == in_order
    assert answer == "proxy-413" or service.quantities() == in_order
    assert len(service.requests) < 100
    assert client.stats.refused == 0
    assert not (folder / "refused.jsonl").exists()


def test_a_proxy_that_takes_small_bodies_gets_them(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"linger": 1.0})
    service.max_body = 1500
    record(client, 40)
    assert client.flush()
    assert service.quantities() == [str(number) for number in range(1, 41)]
    assert client.stats.refused == client.stats.retried == 0


@pytest.mark.parametrize("ahead", [False, True])
def test_one_that_a_proxy_finds_too_large_holds_up_no_other(
    ahead: bool, service: Service, make_client: MakeClient, folder: Path
) -> None:
    client = make_client(write_ahead=ahead)
    service.max_body = 1500
    record(client, 10)
    large = client.record("user123", "sub456", "report", 11, {"note": "x" * 2000})
    record(client, 10, start=12)
    service.wait_for(20)
    assert not client.flush(0.3)
    record(client, 10, start=22)
    service.wait_for(30)
    assert large not in service.accepted
    deadline = time.monotonic() + 5
    while client.stats.waiting > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.stats.waiting == 1
    service.max_body = 10_000
    assert client.flush()
    assert service.order[-1] == large
    assert client.stats.waiting == client.stats.refused == 0
    assert list(folder.glob("*")) == []


def test_flush_counts_one_that_is_too_large_however_many_come_after_it(
    service: Service, make_client: MakeClient
) -> None:
    client = make_client()
    service.max_body = 1500
    client.record("user123", "sub456", "report", 1, {"note": "x" * 2000})
    result: list[bool] = []
    flusher = threading.Thread(target=lambda: result.append(client.flush(1.0)))
    flusher.start()
    for number in range(20):
        record(client, 1, start=number + 2)
        time.sleep(0.01)
    service.wait_for(20)
    flusher.join()
    assert result == [False]


def leave_one_too_large(service: Service, make_client: MakeClient) -> None:
    """A process that is gone left four recordings, of which the service takes three by now."""
    service.mode = "503"
    first = make_client()
    record(first, 3)
    first.record("user123", "sub456", "report", 4, {"note": "x" * 2000})
    first.close()
    service.mode, service.max_body = "ok", 1500


def test_one_that_is_too_large_and_was_left_by_a_dead_process_waits_too(
    service: Service, make_client: MakeClient
) -> None:
    leave_one_too_large(service, make_client)
    client = make_client()
    service.wait_for(3)
    assert not client.flush(0.3)
    service.max_body = 10_000
    assert client.flush()
    assert service.quantities() == ["1", "2", "3", "4"]


def test_flush_counts_what_a_dead_process_left_while_it_becomes_a_recording_of_this_process(
    service: Service, make_client: MakeClient
) -> None:
    """What is found too large in a file that was left is moved to a file of this process, during the flush."""
    leave_one_too_large(service, make_client)
    service.may_turn_away.clear()
    client = make_client(tuning={"timeout": 10.0})
    service.wait_for(3)
    while not service.too_large_alone:
        time.sleep(0.005)
    result: list[bool] = []
    flusher = threading.Thread(target=lambda: result.append(client.flush(1.0)))
    flusher.start()
    time.sleep(0.2)
    service.may_turn_away.set()
    flusher.join()
    assert result == [False]
    service.max_body = 10_000
    assert client.flush()
    assert service.quantities() == ["1", "2", "3", "4"]


def test_flush_says_when_it_was_not_enough(service: Service, client: UsageClient) -> None:
    service.mode = "503"
    record(client, 1)
    began = time.monotonic()
    assert not client.flush(0.2)
    assert time.monotonic() - began < 3
    assert client.stats.waiting == 1


def test_a_gateway_path_before_api(service: Service, make_client: MakeClient) -> None:
    client = make_client(url=service.url + "/billing/")
    record(client, 1)
    assert client.flush()
    assert service.requests[0][1] == "/billing/api/usage/record/batch"


def test_thousands_from_many_threads_through_a_service_that_breaks_at_random(
    service: Service, make_client: MakeClient
) -> None:
    seed = 20261122
    dice = random.Random(seed)
    words = ["ok"] * 4 + ["503", "500", "drop", "cut", "hang", "429", "accept-hang"]
    service.script.extend(dice.choice(words) for _ in range(25))
    client = make_client(
        tuning={"timeout": 0.05, "max_waiting": 500, "max_events": 100, "segment_bytes": 20_000, "patience": 2}
    )
    threads = [threading.Thread(target=record, args=(client, 1000, "report", n * 1000)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(15), f"seed {seed}: {client.stats}"
    assert sorted(map(int, service.quantities())) == list(range(5000))
    assert client.stats.dropped == client.stats.refused == 0
    assert client.stats.spilled > 0
