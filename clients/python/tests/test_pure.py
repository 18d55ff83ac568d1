"""The parts without I/O: how a recording is spelled, batches, waits, and what an answer means."""

from __future__ import annotations

import ast
import json
import sys
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from conftest import PACKAGE

import usage_billing_client
from usage_billing_client._answer import (
    MAX_RETRY_AFTER,
    Answer,
    Kind,
    judge_batch,
    judge_single,
    pause,
    read_retry_after,
)
from usage_billing_client._batching import fitting, halves, request_body, split_chunk
from usage_billing_client._event import MAX_EVENT_BYTES, line_of, new_key, spell, spell_quantity, spell_time
from usage_billing_client._options import headers_for
from usage_billing_client._progress import Guard
from usage_billing_client._transport import Target


def encode(*names: Any, **more: Any) -> bytes:
    """The line of a recording."""
    return line_of(spell(*names, **more))


NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class Level(IntEnum):
    """An int that prints otherwise."""

    THREE = 3


class Float(float):
    """A float that prints otherwise, as numpy's do."""

    def __repr__(self) -> str:
        return f"Float({float(self)})"


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (1, "1"),
        (10**30, "1" + "0" * 30),
        (Level.THREE, "3"),
        (Decimal("0.10"), "0.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+5000"), "1E+5000"),
        ("2.50", "2.50"),
        ("1e3", "1e3"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Float(1.5), "1.5"),
        (0, "0"),
        (-1, "-1"),
    ],
)
def test_a_quantity_is_the_decimal_that_is_meant(quantity: Any, text: str) -> None:
    assert spell_quantity(quantity) == text
    assert json.loads(encode("u", "s", "t", quantity, key="k"))["quantity"] == text


@pytest.mark.parametrize("quantity", [True, None, [], 1j, object()])
def test_no_quantity_by_type(quantity: Any) -> None:
    with pytest.raises(TypeError, match="quantity"):
        spell_quantity(quantity)


@pytest.mark.parametrize(
    "quantity",
    [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), "", " 5", "1_000", "٣", "0x1", "NaN", "01"],
)
def test_no_quantity_by_value(quantity: Any) -> None:
    with pytest.raises(ValueError, match="quantity"):
        spell_quantity(quantity)


def test_times_are_utc_with_microseconds() -> None:
    plus_two = timezone(timedelta(hours=2))
    assert spell_time(datetime(2026, 1, 31, 14, 0, 0, 5, plus_two)) == "2026-01-31T12:00:00.000005Z"
    assert spell_time(None).endswith("Z")
    with pytest.raises(ValueError, match="offset"):
        spell_time(datetime(2026, 1, 31))  # noqa: DTZ001 (naive on purpose)
    with pytest.raises(TypeError):
        spell_time("2026-01-31")  # type: ignore[arg-type]


def test_metadata_keeps_its_meaning() -> None:
    metadata = {"price": Decimal("0.10"), "id": UUID(int=1), "at": NOW, "day": NOW.date(), "name": "Zoë\n", "n": None}
    line = encode("u", "s", "t", 1, metadata=metadata, key="k", source="billing")
    event = json.loads(line)
    assert event["metadata"] == {
        "price": "0.10",
        "id": str(UUID(int=1)),
        "at": "2026-01-31T12:00:00.000000Z",
        "day": "2026-01-31",
        "name": "Zoë\n",
        "n": None,
    }
    assert event["source"] == "billing"
    assert b"\n" not in line
    assert "Zoë".encode() in line


class Colour(Enum):
    """A choice whose value is a number."""

    RED = 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 1, 31, 12, 0, 1), "2026-01-31T12:00:01"),  # noqa: DTZ001 (naive on purpose)
        (time(14, 30), "14:30:00"),
        (timedelta(minutes=90), "1:30:00"),
        (b"text", "text"),
        (bytearray("Zoë", "utf-8"), "Zoë"),
        (float("nan"), "NaN"),
        ([float("inf"), float("-inf"), 0.5], ["Infinity", "-Infinity", 0.5]),
        (Decimal("NaN"), "NaN"),
        (Colour.RED, 1),
        (Level.THREE, 3),
        (PurePosixPath("/srv/report.pdf"), "/srv/report.pdf"),
        (IPv4Address("192.0.2.1"), "192.0.2.1"),
        ({3, 1, 2}, [1, 2, 3]),
        (MappingProxyType({"a": Colour.RED}), {"a": 1}),
        ({Colour.RED: (float("nan"), NOW)}, {"1": ["NaN", "2026-01-31T12:00:00.000000Z"]}),
    ],
)
def test_metadata_that_json_has_no_form_for_is_written_as_what_it_is(value: Any, written: Any) -> None:
    assert json.loads(encode("u", "s", "t", 1, metadata={"x": value}, key="k"))["metadata"] == {"x": written}


def test_half_a_surrogate_pair_is_still_json() -> None:
    line = encode("u", "s", "t", 1, metadata={"file": "caf\udce9"}, key="k")
    assert line.isascii()
    assert json.loads(line)["metadata"] == {"file": "caf\udce9"}


def _circle() -> dict[str, object]:
    circle: dict[str, object] = {}
    circle["self"] = circle
    return circle


def _deep() -> dict[str, object]:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"d": deep}
    return deep


@pytest.mark.parametrize(
    "metadata",
    [
        {"x": object()},
        {"x": b"\xff"},
        {"x": [float("nan"), object()]},
        {"x": {object(): 1}},
        {"x": {1: 1, "1": 2, "n": float("nan")}},
        [1],
        "text",
        _circle(),
        {"x": "y" * 300_000},
    ],
)
def test_metadata_that_cannot_be_written(metadata: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode("u", "s", "t", 1, metadata=metadata, key="k")


def test_metadata_without_a_bottom() -> None:
    with pytest.raises(ValueError, match="deep"):
        encode("u", "s", "t", 1, metadata=_deep(), key="k")


def test_names_must_be_texts() -> None:
    for wrong in (("u", 5, "t"), (None, "s", "t"), ("u", "s", b"t")):
        with pytest.raises(TypeError, match="must be a str"):
            encode(*wrong, 1, key="k")  # type: ignore[arg-type]
    assert MAX_EVENT_BYTES < 1_000_000


def test_keys_differ() -> None:
    assert len({new_key() for _ in range(1000)}) == 1000


def test_batches_are_bounded_by_count_and_size() -> None:
    lines = [b"x" * 100] * 50
    assert fitting(lines, max_events=10, max_bytes=100_000) == 10
    count = fitting(lines, max_events=1000, max_bytes=1000)
    assert len(request_body(lines[:count])) <= 1000 < len(request_body(lines[: count + 1]))
    assert fitting([b"x" * 5000], max_events=10, max_bytes=1000) == 1
    assert fitting([], max_events=10, max_bytes=1000) == 0
    assert json.loads(request_body([b'{"a":1}', b'{"a":2}'])) == {"events": [{"a": 1}, {"a": 2}]}
    assert halves([b"1", b"2", b"3"]) == ([b"1", b"2"], [b"3"])


def test_waits_double_up_to_a_cap_and_are_spread() -> None:
    for failures in (1, 2, 5, 30, 10_000):
        waits = [pause(failures, base=0.2, cap=30.0) for _ in range(200)]
        top = min(30.0, 0.2 * 2 ** min(failures - 1, 20))
        assert 0 <= min(waits) < top * 0.2
        assert top * 0.8 < max(waits) <= top
    asked = [pause(1, base=0.2, cap=30.0, retry_after=7.0) for _ in range(50)]
    assert 7.0 <= min(asked) < max(asked) <= 8.0
    assert pause(1, base=0.2, cap=30.0, retry_after=1e9) <= MAX_RETRY_AFTER + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("٣", None),
        ("9" * 5000, 999999999.0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert read_retry_after(text, now=NOW) == seconds


def test_what_breaks_into_a_change_follows_it() -> None:
    steps: list[bytes] = []

    def put(line: bytes) -> bool:
        steps.append(b"begin " + line)
        if line == b"1":
            assert guard.put(b"2")
        steps.append(b"end " + line)
        return True

    guard = Guard(put)
    guard.put(b"1")
    assert steps == [b"begin 1", b"end 1", b"begin 2", b"end 2"]
    with guard.change(), guard.change():
        guard.put(b"3")
        assert len(steps) == 4
    assert steps[4:] == [b"begin 3", b"end 3"]


def test_a_chunk_ends_where_a_line_ends() -> None:
    chunk = split_chunk(b'{"a":1}\n{"a":2}\n{"a":', max_events=10, max_bytes=1000)
    assert (chunk.lines, chunk.broken, chunk.length) == ((b'{"a":1}', b'{"a":2}'), (), 16)
    chunk = split_chunk(b'{"a":1}\n{"a":2}\n', max_events=1, max_bytes=1000)
    assert (chunk.lines, chunk.length) == ((b'{"a":1}',), 8)
    chunk = split_chunk(b'{"a":1}\n\0\0\xff\n\n[]\n{"a":2}\n', max_events=10, max_bytes=1000)
    assert (chunk.lines, chunk.broken, chunk.length) == ((b'{"a":1}', b'{"a":2}'), (b"\0\0\xff", b"[]"), 24)
    chunk = split_chunk(b'{"a":', max_events=10, max_bytes=1000)
    assert (chunk.lines, chunk.broken, chunk.length) == ((), (b'{"a":',), 5)


def _answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """The answer with ``body``; one with a ``code`` comes as a problem of the service, unless there are ``headers``."""
    if isinstance(body, dict) and "code" in body and not headers:
        headers = {"content-type": "application/problem+json"}
        body = {**body, "status": status}
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


PROBLEM = {"code": "invalid_request", "detail": "no", "requestId": "0123456789abcdef"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_answer(202, {"accepted": 3, "ids": ["a", "b", "c"]}), Kind.ACCEPTED),
        (_answer(202, {"accepted": 2}), Kind.KEEP),
        (_answer(200, b"<html>"), Kind.KEEP),
        (_answer(202, b'{"accepted": 3'), Kind.KEEP),
        (_answer(204), Kind.KEEP),
        (_answer(302), Kind.KEEP),
        (_answer(400, b"plain HTTP to an HTTPS port"), Kind.KEEP),
        (_answer(404, PROBLEM), Kind.KEEP),
        (_answer(415, PROBLEM), Kind.KEEP),
        (_answer(413, b"nginx"), Kind.DIVIDE),
        (_answer(400, {**PROBLEM, "status": 400}, **JSON), Kind.KEEP),
        (_answer(400, {"code": "INVALID", "status": 400}), Kind.KEEP),
        (_answer(422, {**PROBLEM, "status": 400}, **{"content-type": "application/problem+json"}), Kind.KEEP),
        (_answer(400, PROBLEM), Kind.DIVIDE),
        (_answer(422, PROBLEM), Kind.DIVIDE),
        (_answer(422, {**PROBLEM, "errors": [{"pointer": "/events/2/quantity"}]}), Kind.REFUSED),
        (_answer(422, {**PROBLEM, "errors": [{"pointer": "/events/3/quantity"}]}), Kind.DIVIDE),
        (_answer(422, {**PROBLEM, "errors": [{"pointer": "/events/2/quantity"}, {"pointer": ""}]}), Kind.DIVIDE),
        (_answer(422, {**PROBLEM, "errors": ["x", 5]}), Kind.DIVIDE),
        (_answer(401, PROBLEM), Kind.KEEP),
        (_answer(429, PROBLEM), Kind.LATER),
        (_answer(503), Kind.LATER),
        (_answer(502, b"<html>"), Kind.LATER),
    ],
)
def test_what_an_answer_means(answer: Answer, kind: Kind) -> None:
    assert judge_batch(answer, count=3).kind is kind


def test_what_an_answer_to_one_means() -> None:
    assert judge_batch(_answer(413, b"nginx"), count=1).kind is Kind.KEEP
    assert judge_batch(_answer(413, PROBLEM), count=1).kind is Kind.DIVIDE
    assert judge_single(_answer(413, b"nginx")).kind is Kind.KEEP
    assert judge_single(_answer(202, {"id": "x", "status": "accepted"})).kind is Kind.ACCEPTED
    assert judge_single(_answer(202, {"status": "accepted"})).kind is Kind.KEEP
    assert judge_batch(_answer(503, b"", **{"retry-after": "5"}), count=1).retry_after == 5.0


@pytest.mark.parametrize("url", ["payment-service:5003", "ftp://x", "http://", "http://u:p@x", "http://x?a=1", ""])
def test_addresses_that_cannot_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Target.read(url)


def test_addresses_and_keys() -> None:
    assert Target.read("http://payment-service:5003") == Target(False, "payment-service", 5003, "")
    assert Target.read("https://[::1]/gate/") == Target(True, "::1", 443, "/gate")
    assert headers_for(" key\n")["x-api-key"] == "key"
    for wrong in ("", " ", "a\nb", "schlüssel"):
        with pytest.raises(ValueError, match="api_key"):
            headers_for(wrong)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python lists its own modules since 3.10")
def test_the_package_needs_the_standard_library_only_and_speaks_python_3_9() -> None:
    known = {"usage_billing_client", *sys.stdlib_module_names}
    for path in (PACKAGE / "usage_billing_client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= known, path


def test_eight_names_are_public_and_every_module_is_private() -> None:
    names = {"NotAllowed", "Recording", "Refused", "Stats", "Tuning", "Undelivered", "UsageClient", "UsageClientError"}
    assert set(usage_billing_client.__all__) == names
    modules = {path.stem for path in (PACKAGE / "usage_billing_client").glob("*.py")}
    assert [name for name in modules if not name.startswith("_")] == []
