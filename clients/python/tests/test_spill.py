"""What cannot be sent waits in files: in order, whole, for the next process, and is gone once acknowledged."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from conftest import MakeClient, folder_of
from usage_service import Service

from usage_billing_client import UsageClient
from usage_billing_client._options import spill_folder
from usage_billing_client._segment import Segment
from usage_billing_client._spill import Spill
from usage_billing_client._transport import Target


def record(client: UsageClient, amount: int, start: int = 1) -> list[str | None]:
    """Record the quantities from ``start`` on."""
    return [client.record("user123", "sub456", "report", start + number) for number in range(amount)]


def waiting(folder: Path) -> list[str]:
    """The quantities that wait in files, in order."""
    lines = [line for path in sorted(folder.glob("spill-*.jsonl")) for line in path.read_bytes().splitlines()]
    return [json.loads(line)["quantity"] for line in lines]


def numbers(first: int, last: int) -> list[str]:
    """The quantities from ``first`` to ``last``."""
    return [str(number) for number in range(first, last + 1)]


def test_away_for_a_while(service: Service, folder: Path, make_client: MakeClient) -> None:
    client = make_client()
    service.mode = "503"
    record(client, 50)
    service.wait_for_requests(5)
    time.sleep(0.05)
    record(client, 50, start=51)
    assert waiting(folder) == numbers(1, 100)
    assert client.stats.spilled == 100
    service.mode = "ok"
    assert client.flush()
    assert service.quantities() == numbers(1, 100)
    assert service.copies == 0
    assert list(folder.iterdir()) == []
    record(client, 1, start=101)
    assert client.flush()
    assert client.stats.spilled == 100, "back in memory once the file is empty"


def test_nobody_there_at_all(make_client: MakeClient) -> None:
    with Service() as gone:
        url, port = gone.url, gone.port
    client = make_client(url=url)
    record(client, 10)
    assert not client.flush(0.3)
    assert client.stats.spilled == 10
    with Service(port) as back:
        assert client.flush()
        assert back.quantities() == numbers(1, 10)


def test_more_than_memory_takes(service: Service, folder: Path, make_client: MakeClient) -> None:
    client = make_client(tuning={"max_waiting": 100, "max_events": 50, "timeout": 5.0, "segment_bytes": 10_000})
    service.script.append("hang")
    record(client, 1)
    service.wait_for_requests(1)
    record(client, 500, start=2)
    assert client.stats.spilled == 500
    assert len(list(folder.iterdir())) > 1
    service.close_connections()
    assert client.flush()
    assert sorted(map(int, service.quantities())) == list(range(1, 502))
    assert service.quantities()[1:] == sorted(service.quantities()[1:], key=int), "in order, the one under way apart"
    assert list(folder.iterdir()) == []


def test_flush_counts_what_went_behind_newer_ones(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"max_waiting": 10, "timeout": 5.0, "patience": 1})
    service.script.append("hang")
    first = client.record("user123", "sub456", "report")
    service.wait_for_requests(1)
    result: list[bool] = []
    flusher = threading.Thread(target=lambda: result.append(client.flush() and first in service.accepted))
    flusher.start()
    record(client, 3000)
    service.close_connections()
    flusher.join()
    assert result == [True]


def test_bounded_on_disk_too(service: Service, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    client = make_client(tuning={"max_waiting": 10, "spill_bytes": 20_000})
    service.mode = "503"
    keys = record(client, 1000)
    stats = client.stats
    assert stats.dropped > 500
    assert keys.count(None) == stats.dropped
    assert "LOST" in caplog.text
    assert len(caplog.records) < 10
    service.mode = "ok"
    assert client.flush()
    assert set(service.order) == {key for key in keys if key is not None}


def test_no_folder_to_be_had(
    service: Service, tmp_path: Path, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    client = make_client(spill=tmp_path / "file" / "spill", tuning={"max_waiting": 10})
    assert "no folder" in caplog.text
    service.mode = "503"
    keys = record(client, 20)
    service.wait_for_requests(6)
    service.mode = "ok"
    assert client.flush()
    assert service.order == [key for key in keys if key is not None]
    assert client.stats.dropped == keys.count(None) > 0


def test_without_spill_it_goes_on_trying(service: Service, make_client: MakeClient) -> None:
    client = make_client(spill=False)
    service.mode = "401"
    record(client, 5)
    service.wait_for_requests(3)
    service.mode = "ok"
    assert client.flush()
    assert service.quantities() == numbers(1, 5)
    assert client.stats.spilled == 0


def test_a_folder_that_others_can_write_is_not_used(
    service: Service, folder: Path, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    record(make_client(), 1)
    assert "another user" in caplog.text


def test_files_are_private(service: Service, folder: Path, make_client: MakeClient) -> None:
    client = make_client(write_ahead=True)
    service.mode = "503"
    record(client, 1)
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


@pytest.mark.parametrize("fsync", [False, True])
def test_write_ahead_is_on_disk_when_record_returns(
    fsync: bool, service: Service, folder: Path, make_client: MakeClient
) -> None:
    client = make_client(write_ahead=True, fsync=fsync, tuning={"linger": 30.0})
    record(client, 20)
    assert waiting(folder) == numbers(1, 20)
    assert client.flush()
    assert service.quantities() == numbers(1, 20)
    assert list(folder.iterdir()) == []
    assert len(service.requests) == 1


def test_the_next_client_sends_what_the_last_one_left(service: Service, folder: Path, make_client: MakeClient) -> None:
    service.mode = "503"
    first = make_client()
    record(first, 30)
    first.close()
    assert waiting(folder) == numbers(1, 30)
    service.mode = "ok"
    second = make_client()
    service.wait_for(30)
    assert service.quantities() == numbers(1, 30)
    assert second.flush()
    deadline = time.monotonic() + 5
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.iterdir()) == []
    assert second.stats.accepted == 30


def test_a_half_line_and_rubbish_hold_nothing_up(service: Service, folder: Path, make_client: MakeClient) -> None:
    service.mode = "503"
    first = make_client()
    record(first, 3)
    first.close()
    path = next(folder.glob("spill-*"))
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 3 + 1] + b"\0\0\0rubbish\xff\n" + good[len(good) // 3 :] + b'{"userId":"us')
    service.mode = "ok"
    client = make_client()
    service.wait_for(2)
    deadline = time.monotonic() + 5
    while list(folder.glob("spill-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.glob("spill-*")) == []
    assert client.stats.accepted >= 2
    entries = [json.loads(line) for line in (folder / "refused.jsonl").read_text().splitlines()]
    assert {entry["code"] for entry in entries} == {"unreadable"}


def test_a_file_that_was_cut_is_set_aside(
    service: Service, folder: Path, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    service.mode = "503"
    client = make_client(write_ahead=True)
    record(client, 3)
    service.wait_for_requests(2)
    os.truncate(next(folder.glob("spill-*")), 0)
    service.mode = "ok"
    assert client.flush()
    record(client, 2, start=10)
    assert client.flush()
    assert service.quantities()[-2:] == ["10", "11"]


def test_two_clients_share_a_folder(service: Service, folder: Path, make_client: MakeClient) -> None:
    service.mode = "503"
    clients = [
        make_client(tuning={"timeout": seconds}) for seconds in (4.0, 5.0)
    ]  # made alike they would be one sender
    for number, client in enumerate(clients):
        record(client, 100, start=1 + number * 100)
    time.sleep(0.3)
    assert len(list(folder.glob("spill-*"))) == 2
    service.mode = "ok"
    assert all(client.flush() for client in clients)
    assert sorted(map(int, service.quantities())) == list(range(1, 201))
    assert service.copies == 0


def test_a_segment_has_one_holder(folder: Path) -> None:
    folder.mkdir(parents=True)
    segment = Segment.create(folder)
    segment.append([b"{}"], fsync=False)
    assert Segment.adopt(segment.path) is None
    segment.release()
    adopted = Segment.adopt(segment.path)
    assert adopted is not None
    assert Segment.adopt(segment.path) is None
    adopted.remove()
    assert Segment.adopt(segment.path) is None
    assert list(folder.iterdir()) == []


def test_a_write_that_fails_leaves_no_half_line(folder: Path) -> None:
    import resource
    import signal

    spill = Spill(folder, max_bytes=10**9, segment_bytes=10**9, adopt_every=1.0)
    spill.append([b'{"a":1}'])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match="too large"):
            spill.append([b"x" * 2000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    spill.append([b'{"a":2}'])
    assert spill.own().path.read_bytes() == b'{"a":1}\n{"a":2}\n'
    spill.release()


def test_links_are_not_followed(service: Service, folder: Path, tmp_path: Path, make_client: MakeClient) -> None:
    folder.mkdir(mode=0o700, parents=True)
    (tmp_path / "elsewhere").write_text('{"a":1}\n')
    (folder / "spill-0-1-1.jsonl").symlink_to(tmp_path / "elsewhere")
    client = make_client()
    record(client, 1)
    assert client.flush()
    assert service.quantities() == ["1"]
    assert (tmp_path / "elsewhere").exists()


def test_what_was_recorded_with_one_key_never_goes_out_with_another(
    service: Service, base: Path, make_client: MakeClient
) -> None:
    service.mode = "503"
    trial = make_client(api_key="trial-key")
    record(trial, 3)
    trial.close()
    assert len(waiting(folder_of(base, service.url, api_key="trial-key"))) == 3
    service.mode = "ok"
    real = make_client(api_key="real-key")
    record(real, 2, start=10)
    assert real.flush()
    assert service.quantities() == ["10", "11"]
    assert make_client(api_key="trial-key").flush()
    assert service.quantities() == ["10", "11", "1", "2", "3"]
    sent = [(headers["x-api-key"], count) for headers, (_, _, count) in zip(service.headers, service.requests)]
    assert sent[-2:] == [("real-key", 2), ("trial-key", 3)]


def test_tests_leave_no_files_unless_they_name_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = Target.read("http://payment-service:5003")
    for name in ("USAGE_BILLING_SPILL", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_VERSION", "9")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert spill_folder(True, target=target, api_key="key", source="") is None
    monkeypatch.delenv("PYTEST_VERSION")
    found = spill_folder(True, target=target, api_key="key", source="")
    assert found is not None
    assert found.parent == tmp_path / "usage-billing-client"
    assert found != spill_folder(True, target=target, api_key="key2", source="")
    assert found != spill_folder(True, target=Target.read("http://other:5003"), api_key="key", source="")
    assert found == spill_folder(True, target=Target.read("http://payment-service:5003/"), api_key="key\n", source="")
    monkeypatch.setenv("USAGE_BILLING_SPILL", "off")
    assert spill_folder(True, target=target, api_key="key", source="") is None


def test_what_cannot_be_honoured_is_refused(service: Service) -> None:
    with pytest.raises(ValueError, match="write_ahead"):
        UsageClient(service.url, api_key="key", spill=False, write_ahead=True)


def test_files_of_the_version_before_are_named(
    service: Service, base: Path, folder: Path, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    base.mkdir(mode=0o700)
    (base / "spill-1-1-1.jsonl").write_text("{}\n")
    (base / "0123456789ab").mkdir()
    (base / "0123456789ab" / "spill-1-1-1.jsonl").write_text("{}\n")
    assert make_client().flush()
    assert service.requests == []
    said = [record.getMessage() for record in caplog.records]
    assert [str(base) in said[0], "0123456789ab" in said[1]] == [True, True]
    assert all(str(folder) in text for text in said)
