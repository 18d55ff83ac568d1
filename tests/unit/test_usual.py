"""The quick way of reading recordings says what the thorough one says, or nothing."""

import json
from datetime import UTC, datetime

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from usage_billing.core.errors import InvalidInput
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import FIELDS, parse_recording, read_object
from usage_billing.metering.usual import usual_batch, usual_recording

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

names = st.from_regex(r"\A[A-Za-z0-9_.:-]{1,128}\Z").map(json.dumps)
metadata = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
    max_size=3,
).filter(lambda value: "\\u0000" not in json.dumps(value))
quantities = st.integers(1, 10**15).map(str) | st.decimals(
    "0.000000000001", 10**9, allow_nan=False, allow_infinity=False, places=12
).filter(bool).map(lambda value: f"{value:f}")
times = st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 22), timezones=st.just(UTC)).map(
    lambda value: json.dumps(value.isoformat())
)
right = st.fixed_dictionaries(
    {"userId": names, "subscriptionId": names, "usageType": names, "quantity": quantities},
    optional={
        "metadata": metadata.map(json.dumps),
        "timestamp": times,
        "idempotencyKey": names | st.just("null"),
        "source": names,
    },
)
ODD = (
    *("null", "true", "1", "-1", "0", "0.0", "1e3", "1E-13", "1e400", "01", '"1"', '"1.50"', '" 5 "', '"1_000"', "NaN"),
    *("1000000000000000", "1000000000000001", "0.0000000000001", '"٣"', "1.000", '""', '"a b"', '"a\\n"', '"a\n"'),
    *('"é"', '"\\u0061"', '"\\u0000"', '"\\ud800"', "{}", "[]", '{"a": 1.10}', '{"a": 1e200}', '{"a":"\\u0000"}'),
    *('"2026-11-22T12:00:00Z"', '"2026-11-22T13:00:01Z"', '"2026-11-22"', '"2026-11-22T12:00:00"', '"20261122"'),
    *('"9999-12-31T23:59:59-23:59"', '"1999-12-31T23:59:59Z"', '"2026-11-22T12:00:00+05:30"', f'"{"x" * 129}"'),
    *("[" * 40 + "]" * 40, '{"a":' * 33 + "{}" + "}" * 33, '{"a":' * 31 + "{}" + "}" * 31, f'{{"a":"{"{" * 40}"}}'),
)
odd = st.tuples(
    right,
    st.dictionaries(
        st.sampled_from([*FIELDS, "else"]),
        st.sampled_from(ODD),
        max_size=2,
    ),
    st.sets(st.sampled_from(["userId", "quantity", "usageType"]), max_size=1),
).map(lambda parts: {name: text for name, text in (parts[0] | parts[1]).items() if name not in parts[2]})


def text_of(fields: dict[str, str]) -> bytes:
    members = ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields.items())
    return f"{{{members}}}".encode()


def thorough(data: bytes, default_key: str = "") -> Recording | None:
    try:
        return parse_recording(read_object(data), id=NOW, received_at=NOW, default_key=default_key)  # type: ignore[arg-type]
    except InvalidInput:
        return None


def same(one: Recording | None, other: Recording | None) -> bool:
    """But for the ids, which are new each time."""
    if one is None or other is None:
        return one is other
    pairs = zip(msgspec.structs.astuple(one)[1:], msgspec.structs.astuple(other)[1:], strict=True)
    return all(mine == theirs and str(mine) == str(theirs) for mine, theirs in pairs)


@given(right)
@example({"userId": '"u"', "subscriptionId": '"s"', "usageType": '"t"', "quantity": "1"})
def test_what_is_right_is_read_alike(fields: dict[str, str]) -> None:
    data = text_of(fields)
    usual = usual_recording(data, now=NOW, default_key="a-key")
    assert usual is not None
    assert same(usual, thorough(data, "a-key"))


@given(odd)
def test_what_is_odd_is_read_alike_or_not_at_all(fields: dict[str, str]) -> None:
    data = text_of(fields)
    usual = usual_recording(data, now=NOW)
    assert usual is None or same(usual, thorough(data))


@given(st.lists(st.one_of(right, odd), min_size=1, max_size=4))
def test_a_batch_is_its_events(events: list[dict[str, str]]) -> None:
    texts = [text_of(fields) for fields in events]
    usual = usual_batch(b'{"events": [' + b", ".join(texts) + b"]}", now=NOW)
    each = [usual_recording(text, now=NOW) for text in texts]
    if usual is None:
        assert None in each
    else:
        assert all(same(one, other) for one, other in zip(usual, each, strict=True))


def test_ids_are_new_and_in_order() -> None:
    event = text_of({"userId": '"u"', "subscriptionId": '"s"', "usageType": '"t"', "quantity": "1"})
    made = usual_batch(b'{"events": [' + b",".join([event] * 50) + b"]}", now=NOW)
    assert made is not None
    ids = [recording.id for recording in made]
    assert ids == sorted(set(ids))
