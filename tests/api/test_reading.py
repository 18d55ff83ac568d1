"""Reading recordings: the strict reader, and that the fast one and the documented schema agree on every input."""

import json
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask, Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from api.errors import Unreadable
from api.ingest.native import recording_from
from api.ingest.strict_json import read_json
from api.schemas.base import field_errors
from api.schemas.recordings import RecordingSchema
from tests.api.conftest import EVENT
from tests.support.properties import examples
from usage_billing.core.errors import InvalidInput

NOW = datetime.fromisoformat("2026-11-15T12:00:00+00:00")

texts = st.text(max_size=6, alphabet=st.characters(codec="utf-8", exclude_characters="\x00"))
names = st.one_of(
    st.sampled_from(["user123", "a", "A.b:c-d_e", "a" * 128, "a" * 129, "", "a b", "é", "a\n", "\u0661"]),
    texts,
)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.decimals(min_value=-5, max_value=10**16, places=13).map(Decimal.normalize),
    st.sampled_from(["1e-12", "1e-13", "1E+15", "1E+16", "0E-20", "-0"]).map(Decimal),
)
quantities = st.one_of(
    numbers,
    numbers.map(str),
    st.sampled_from(["1_0", " 5", "NaN", "Infinity", "1e400", "\u0665", "+1", ".5", "5.", "0x1", "", "1e2", True]),
    st.none(),
    st.lists(st.integers(), max_size=1),
)
times = st.one_of(
    st.datetimes(timezones=st.sampled_from([NOW.tzinfo]) | st.timezones()).map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
    st.sampled_from(["2026-11-15T13:00:00Z", "2026-11-15T13:00:00.000001Z", "1999-12-31T23:59:59.999999Z", "20261115",
                     "2026-11-15", "2026-11-15 12:00:00Z", "2026-02-30T00:00:00Z", "2026-11-15T24:00:00Z", "", "x"]),
    st.integers(),
    st.none(),
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
metadata = st.one_of(
    st.dictionaries(
        texts,
        st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
        max_size=3,
    ),
    scalars,
    st.integers(1, 40).map(lambda depth: json.loads('{"a":' * depth + "1" + "}" * depth)),
    st.integers(16_370, 16_390).map(lambda size: {"a": "x" * (size - 8)}),
)
fields = {
    "userId": names,
    "subscriptionId": names,
    "usageType": names,
    "quantity": quantities,
    "metadata": metadata,
    "timestamp": times,
    "idempotencyKey": names | st.none() | st.integers(),
    "source": names | st.none(),
    "quantitty": st.integers(),
    "a/b~c": st.none(),
}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """The example with up to three fields made wrong, left out or made up."""
    body = dict(EVENT)
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        if name in body and draw(st.booleans()):
            del body[name]
        else:
            body[name] = draw(fields[name])
    return body


def spelled(body: object) -> bytes:
    """JSON, decimals as numbers with every digit."""
    marked = json.dumps(body, default=lambda number: f"\ue000{number}\ue001", ensure_ascii=False)
    return marked.replace('"\ue000', "").replace('\ue001"', "").encode()


READER = Flask("reader")
READER.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024


def by_hand(data: bytes) -> list[tuple[str, str]]:
    """What is wrong, as the requests' reader has it."""
    request = Request(EnvironBuilder(method="POST", data=data, content_type="application/json").get_environ())
    try:
        with READER.app_context():
            recording_from(request, now=NOW)
    except InvalidInput as error:
        return sorted((field.pointer, field.code) for field in error.fields)
    return []


def by_schema(data: bytes) -> list[tuple[str, str]]:
    """What is wrong, as the documented schema has it."""
    errors = RecordingSchema(now=NOW).validate(read_json(data))
    return sorted((field.pointer, field.code) for field in field_errors(errors))


@examples(600)
@given(bodies())
def test_the_reader_and_the_documented_schema_agree(body: dict[str, Any]) -> None:
    data = spelled(body)
    assert by_hand(data) == by_schema(data)


def test_they_agree_that_the_example_is_right() -> None:
    assert by_hand(spelled(EVENT)) == by_schema(spelled(EVENT)) == []


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**25), 10**25), st.text(max_size=8),
              st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=6)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@examples(300)
@given(values)
def test_what_json_spells_is_what_is_read(value: object) -> None:
    data = spelled_safely(value)
    assert read_json(data) == value


def spelled_safely(value: object) -> bytes:
    """JSON by escapes only, so that any text may be in it; decimals as numbers."""
    if isinstance(value, Decimal):
        return f"{value:f}".encode()
    if isinstance(value, dict):
        inside = b",".join(json.dumps(name).encode() + b":" + spelled_safely(inner) for name, inner in value.items())
        return b"{" + inside + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(spelled_safely, value)) + b"]"
    return json.dumps(value).encode()


nearly_json = st.text(max_size=60, alphabet='{}[]",:0123456789.eE+-ntf\\u d8').map(str.encode)


@examples(500)
@given(st.one_of(st.binary(max_size=60), nearly_json))
def test_garbage_is_refused_and_nothing_worse(data: bytes) -> None:
    with suppress(Unreadable):
        read_json(data)


@pytest.mark.parametrize(("text", "value"), [("1.50", "1.5"), ("1e2", "100"), ("0.0", "0"), ("1" * 40, "1" * 40)])
def test_equal_numbers_come_out_in_equal_text(text: str, value: str) -> None:
    assert str(read_json(text.encode())) == value
