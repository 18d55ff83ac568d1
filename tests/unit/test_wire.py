"""Reading a recording as it is spelled: what is taken, what is refused, and by which name."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, examples
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.metering.metadata import MAX_BYTES, MAX_DEPTH, NotMetadata, canonical_metadata
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import MAX_AHEAD, parse_recording, read_object

NOW = datetime(2026, 11, 15, 12, 30, tzinfo=UTC)
ID = new_id()
WHOLE: dict[str, Any] = {"userId": "user123", "subscriptionId": "sub456", "usageType": "report", "quantity": 1}


def read(text: str | bytes, **named: Any) -> Recording:
    """Read JSON text."""
    data = text.encode() if isinstance(text, str) else text
    return parse_recording(read_object(data), id=ID, received_at=NOW, **named)


def with_raw(name: str, value: str) -> str:
    """A whole recording with one member given as JSON text."""
    others = ", ".join(f"{json.dumps(key)}: {json.dumps(item)}" for key, item in WHOLE.items() if key != name)
    return f"{{{others}, {json.dumps(name)}: {value}}}"


def refusals(text: str | bytes, **named: Any) -> dict[str, str]:
    """The codes of what is wrong, by pointer."""
    with pytest.raises(InvalidInput) as caught:
        read(text, **named)
    return {field.pointer: field.code for field in caught.value.fields}


def test_the_founding_documents_example() -> None:
    text = json.dumps(WHOLE | {"metadata": {"reportId": "abc123"}})
    found = read(text)
    assert (found.customer_id, found.subscription_id, found.usage_type) == ("user123", "sub456", "report")
    assert (found.quantity, found.metadata) == (Decimal(1), '{"reportId":"abc123"}')
    assert (found.occurred_at, found.received_at, found.timed) == (NOW, NOW, False)
    assert (found.key, found.source) == ("", "")


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        ("0.1", "0.1"),
        ('"0.1"', "0.1"),
        ("1E2", "100"),
        ("1.50", "1.5"),
        ("0.000000000001", "0.000000000001"),
        ("1000000000000000", "1000000000000000"),
        ('"1000000000000000.000"', "1000000000000000"),
    ],
)
def test_a_quantity_is_the_decimal_it_spells(spelled: str, value: str) -> None:
    assert plain(read(with_raw("quantity", spelled)).quantity) == value


@given(any_quantities, st.booleans())
@examples(200)
def test_every_quantity_survives_number_or_text(quantity: Decimal, as_text: bool) -> None:
    spelled = f'"{quantity:f}"' if as_text else f"{quantity:f}"
    assert read(with_raw("quantity", spelled)).quantity == quantity


@pytest.mark.parametrize(
    "spelled",
    [
        *("0", "-0", "-1", "0.0000000000001", "1000000000000000.1", "1e400", "1e-400", "1E+99"),
        *("null", "true", "[]", "{}", '""', '"NaN"', '"Infinity"', '"1_0"', '" 5"', '"5 "', '"٣"', '"0x1"', '"+1"'),
        *('"' + "9" * 41 + '"', "1" * 5_000),
    ],
)
def test_what_is_no_quantity(spelled: str) -> None:
    assert list(refusals(with_raw("quantity", spelled))) == ["/quantity"]


@pytest.mark.parametrize("name", ["idempotencyKey", "source"])
@pytest.mark.parametrize(
    "spelled", ['""', '"a\\u0000"', '"a\\u001f"', '"a\\u0085"', f'"{"x" * 1025}"', "1", "true", "[]"]
)
def test_what_is_no_key(name: str, spelled: str) -> None:
    assert list(refusals(with_raw(name, spelled))) == [f"/{name}"]


@pytest.mark.parametrize(
    ("spelled", "kept"),
    [
        ("0.30000000000000004", "0.3"),
        ("1.0350000000000001e-05", "0.00001035"),
        ("1e-07", "0.0000001"),
        ("0.0000000000005", "0.000000000001"),
        ("33.333333333333336", "33.333333333333"),
        ("999999999999999.9999999999999", "1000000000000000"),
    ],
)
def test_a_number_is_rounded_half_up_to_what_is_kept(spelled: str, kept: str) -> None:
    assert read(with_raw("quantity", spelled)).quantity == Decimal(kept)
    assert read(with_raw("quantity", spelled)).fingerprint() == read(with_raw("quantity", kept)).fingerprint()


@pytest.mark.parametrize("spelled", ['"0.30000000000000004"', '"1e-13"', "1e-13", "4e-300", "0.0000000000004"])
def test_a_text_is_exact_and_nothing_is_nothing(spelled: str) -> None:
    assert list(refusals(with_raw("quantity", spelled))) == ["/quantity"]


@pytest.mark.parametrize(
    ("spelled", "instant"),
    [
        ("2026-10-31T23:59:59.9999999Z", "2026-10-31T23:59:59.999999Z"),
        ("2026-10-31T23:59:59.9999995+00:00", "2026-10-31T23:59:59.999999Z"),
        ("2026-10-31T12:00:00.123456789+02:00", "2026-10-31T10:00:00.123456Z"),
        ("2026-10-31T23:59:60Z", "2026-11-01T00:00:00Z"),
    ],
)
def test_a_time_is_cut_and_never_rounded(spelled: str, instant: str) -> None:
    kept, meant = (read(with_raw("timestamp", json.dumps(text))) for text in (spelled, instant))
    assert kept.occurred_at == meant.occurred_at
    assert kept.fingerprint() == meant.fingerprint()


@pytest.mark.parametrize("name", ["idempotencyKey", "source"])
@pytest.mark.parametrize("text", ["a b", "a/b", "a'b", '"', "x" * 128, "\\101", "é", "x" * 129, "x" * 1024, "日本"])
def test_a_key_is_any_text(name: str, text: str) -> None:
    recording = read(with_raw(name, json.dumps(text)))
    kept = recording.key if name == "idempotencyKey" else recording.source
    assert kept == (text if text.isascii() and len(text) <= 128 else f"sha256:{sha256(text.encode()).hexdigest()}")


@pytest.mark.parametrize("name", ["userId", "subscriptionId", "usageType"])
@pytest.mark.parametrize(
    "spelled",
    ['""', '"a b"', '"é"', '"a\\u0000"', f'"{"x" * 129}"', "1", "true", "[]", '"a/b"', '"a,b"', '"{a}"', '"a=b"'],
)
def test_what_is_no_identifier(name: str, spelled: str) -> None:
    assert list(refusals(with_raw(name, spelled))) == [f"/{name}"]


@pytest.mark.parametrize("name", ["metadata", "timestamp", "idempotencyKey", "source"])
def test_null_is_as_if_it_were_not_there(name: str) -> None:
    assert read(with_raw(name, "null")) == read(json.dumps(WHOLE))


@pytest.mark.parametrize("name", list(WHOLE))
def test_what_is_required(name: str) -> None:
    assert refusals(json.dumps({key: value for key, value in WHOLE.items() if key != name})) == {f"/{name}": "required"}
    assert list(refusals(with_raw(name, "null"))) == [f"/{name}"]


@pytest.mark.parametrize(
    ("spelled", "instant"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456+02:00", datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_with_an_offset(spelled: str, instant: datetime) -> None:
    found = read(with_raw("timestamp", f'"{spelled}"'))
    assert (found.occurred_at, found.timed) == (instant, True)
    assert found.occurred_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "spelled",
    [
        *('"2026-01-31T12:00:00"', '"2026-01-31"', '"20260131T120000Z"', '"2026-13-01T00:00:00Z"', '"soon"', '""'),
        *('"1970-01-01T00:00:00Z"', '"1999-12-31T23:59:59Z"', '"2200-01-01T00:00:00Z"'),
        *('"9999-12-31T23:59:59-14:00"', '"0001-01-01T00:00:00+14:00"', "1767225600", "null1"),
    ],
)
def test_what_is_no_time(spelled: str) -> None:
    if spelled == "null1":
        with pytest.raises(InvalidInput):
            read(with_raw("timestamp", spelled))
    else:
        assert list(refusals(with_raw("timestamp", spelled))) == ["/timestamp"]


def test_a_clock_may_lead_a_little() -> None:
    at = (NOW + MAX_AHEAD).isoformat()
    assert read(with_raw("timestamp", json.dumps(at))).occurred_at == NOW + MAX_AHEAD
    late = (NOW + MAX_AHEAD + timedelta(microseconds=1)).isoformat()
    assert refusals(with_raw("timestamp", json.dumps(late))) == {"/timestamp": "out_of_range"}


def test_every_wrong_field_is_named_at_once_below_the_pointer() -> None:
    wrong = '{"userId": 1, "quantity": "x", "metadata": [], "a/b~c": 1, "timestamp": "2026-01-01T00:00:00"}'
    assert refusals(wrong, pointer="/events/3") == {
        "/events/3/a~1b~0c": "unknown",
        "/events/3/userId": "not_a_text",
        "/events/3/subscriptionId": "required",
        "/events/3/usageType": "required",
        "/events/3/quantity": "not_a_decimal",
        "/events/3/metadata": "invalid_metadata",
        "/events/3/timestamp": "no_offset",
    }


def test_the_default_key_gives_way_to_the_senders() -> None:
    assert read(json.dumps(WHOLE), default_key="d").key == "d"
    assert read(with_raw("idempotencyKey", '"mine"'), default_key="d").key == "mine"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b"{",
        b'{"a":',
        b"\xff",
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"[" * 9_000,
    ],
)
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_object(data)
    assert caught.value.code == "malformed_json"


@given(st.binary(max_size=60))
@examples(300)
def test_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=8).filter(lambda t: "\0" not in t),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4).filter(lambda t: "\0" not in t), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5).filter(lambda t: "\0" not in t), _JSON, max_size=4))
@examples(200)
def test_metadata_is_kept_and_equal_content_is_equal_text(value: dict[str, Any]) -> None:
    text = canonical_metadata(json.dumps(value).encode())
    assert json.loads(text) == value
    backwards = dict(reversed(value.items()))
    assert canonical_metadata(json.dumps(backwards, indent=3, ensure_ascii=False).encode()) == text
    assert canonical_metadata(text.encode()) == text


def nested(depth: int) -> bytes:
    """An object that holds lists in lists."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_metadata_may_be_nested_so_deep_and_no_deeper() -> None:
    assert canonical_metadata(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 2, 990, 7_000):
        with pytest.raises(NotMetadata, match="nested"):
            canonical_metadata(nested(depth))


def test_metadata_may_be_so_long_and_no_longer() -> None:
    at_most = b'{"a":"' + b"x" * (MAX_BYTES - 8) + b'"}'
    assert len(canonical_metadata(at_most)) == MAX_BYTES
    with pytest.raises(NotMetadata, match="bytes"):
        canonical_metadata(at_most.replace(b"x", b"xx", 1))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\\\\\u0000"}',
        b'{"a": NaN}',
        b"[1]",
        b'"x"',
        b"1",
        b'{"a": 1e400}',
    ],
)
def test_what_is_no_metadata(raw: bytes) -> None:
    with pytest.raises(NotMetadata):
        canonical_metadata(raw)


def test_a_backslash_before_the_letters_of_nul_is_no_nul() -> None:
    assert json.loads(canonical_metadata(b'{"a": "\\\\u0000"}')) == {"a": "\\u0000"}
