"""One fact through every door is one recording: key, content and fingerprint are those of our own format."""

import dataclasses
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from api.ingest.cloud_events import CLOUD_EVENTS, events_of
from api.ingest.foreign import Format, recordings_of
from api.ingest.lago import LAGO
from api.ingest.stripe import STRIPE, event_from_form
from tests.support.properties import any_quantities, examples
from tests.unit.test_usual import metadata
from usage_billing.core.identifiers import kept_key, new_id
from usage_billing.flows.recording.quantified import quantified
from usage_billing.metering.recording import NOTHING_BESIDE, Beside, Recording, decode_recordings, encode_recordings
from usage_billing.metering.spelling import parse_recording, read_object

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

names = st.from_regex(r"\A[A-Za-z0-9_.:-]{1,40}\Z")
keys = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40)
times = st.none() | st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 21), timezones=st.just(UTC))
facts = st.fixed_dictionaries(
    {"subscription": names, "type": names, "key": keys, "metadata": metadata, "time": times, "quantity": any_quantities}
)


def _native(fact: dict[str, Any], *, quantity: Decimal, source: str = "") -> Recording:
    body = {"userId": "customer", "subscriptionId": fact["subscription"], "usageType": fact["type"]}
    body |= {"quantity": f"{quantity:f}", "metadata": fact["metadata"], "idempotencyKey": fact["key"]}
    if source:
        body["source"] = source
    if fact["time"] is not None:
        body["timestamp"] = fact["time"].isoformat()
    return parse_recording(read_object(json.dumps(body).encode()), id=new_id(), received_at=NOW)


def _through(event: bytes, form: Format, *, header: str = "") -> Recording:
    """The recording of an event, as the drain counts it: with its customer, and with a quantity."""
    [accepted] = recordings_of([event], form, now=NOW, beside=NOTHING_BESIDE, default_key=lambda _: header)
    assert not accepted.beside.unread
    [travelled] = decode_recordings(encode_recordings([accepted]))
    assert travelled == accepted
    counted = quantified(replace(travelled, customer_id="customer"), {})
    assert isinstance(counted, Recording)
    return counted


def _assert_equal(found: Recording, native: Recording) -> None:
    assert found.fingerprint() == native.fingerprint()
    alike = replace(found, id=native.id, beside=native.beside)
    assert msgspec.structs.asdict(alike) == msgspec.structs.asdict(native)


_app = Flask(__name__)
_app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
ONE, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"


def _posted(body: Any, kind: str | None, headers: Mapping[str, str] = MappingProxyType({})) -> list[bytes]:
    """The events of a request, as the door of CloudEvents and of OpenMeter reads it."""
    with _app.test_request_context(method="POST", data=json.dumps(body), content_type=kind, headers=dict(headers)):
        return events_of(request, most=10)


@given(facts, keys, st.sampled_from([None, "application/json; charset=utf-8"]))
@examples(100)
def test_a_cloudevent_in_each_form_of_a_request(fact: dict[str, Any], source: str, kind: str | None) -> None:
    """One, one in a list of either type, its data in base64, and its attributes as headers."""
    event = _cloud(fact) | {"source": source}
    sent = [*_posted(event, ONE), *_posted(event, JSON), *_posted([event], JSON), *_posted([event, event], BATCH)]
    rest = {name: value for name, value in event.items() if name != "data"}
    sent += _posted(rest | {"data_base64": b64encode(json.dumps(fact["metadata"]).encode()).decode()}, ONE)
    headers = {f"ce-{name}": quote(value, safe=" ") for name, value in rest.items()}
    sent += _posted(fact["metadata"], kind, headers)
    native = _native(fact, quantity=Decimal(1), source=source)
    for one in sent:
        _assert_equal(_through(one, CLOUD_EVENTS), native)
    assert len(sent) == 7


@given(facts, st.booleans())
@examples(200)
def test_an_event_of_lagos(fact: dict[str, Any], as_text: bool) -> None:
    seconds = None if fact["time"] is None else _seconds(fact["time"])
    event = {"transaction_id": fact["key"], "external_subscription_id": fact["subscription"], "code": fact["type"]}
    sent = json.dumps(event | {"properties": fact["metadata"]})[:-1]
    timestamp = "null" if seconds is None else json.dumps(seconds) if as_text else seconds
    native = _native(fact, quantity=Decimal(1))
    _assert_equal(_through(f'{sent}, "timestamp": {timestamp}}}'.encode(), LAGO), native)


@given(facts, st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), names, max_size=3))
@examples(200)
def test_a_meter_event_of_stripes(fact: dict[str, Any], rest: dict[str, str]) -> None:
    rest = {name: value for name, value in rest.items() if name not in {"value", "stripe_customer_id"}}
    fact |= {"metadata": rest}
    native = _native(fact, quantity=fact["quantity"])
    payload = rest | {"value": f"{fact['quantity']:f}", "stripe_customer_id": fact["subscription"]}
    event: dict[str, Any] = {"event_name": fact["type"], "identifier": fact["key"]}
    if fact["time"] is not None:
        event["timestamp"] = _seconds(fact["time"])
    form = event | {f"payload[{name}]": value for name, value in payload.items()}
    received = dict(parse_qsl(urlencode(form), keep_blank_values=True, strict_parsing=True))
    _assert_equal(_through(event_from_form(received), STRIPE), native)
    _assert_equal(_through(json.dumps(event | {"payload": payload}).encode(), STRIPE), native)
    del event["identifier"]  # then its key is that of the header, which both clients send again
    unnamed = json.dumps(event | {"payload": payload}).encode()
    _assert_equal(_through(unnamed, STRIPE, header=kept_key(fact["key"]) or ""), native)


def _seconds(instant: datetime) -> str:
    """Seconds since 1970 as a decimal, to the microsecond."""
    gone = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{gone.days * 86400 + gone.seconds}.{gone.microseconds:06d}"


_odd = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6) | st.just("user 1") | st.just({"a": [1]})
_sent = st.fixed_dictionaries({}, optional={"extra": _odd, "data_base64": st.just("e30=") | _odd})


def _lago(fact: dict[str, Any]) -> dict[str, Any]:
    event = {"transaction_id": fact["key"], "external_subscription_id": fact["subscription"], "code": fact["type"]}
    time = fact["time"]
    return event | {"properties": fact["metadata"], "timestamp": None if time is None else int(time.timestamp())}


def _cloud(fact: dict[str, Any]) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": fact["key"], "source": "svc", "type": fact["type"]}
    time = fact["time"]
    event |= {"subject": fact["subscription"], "data": fact["metadata"]}
    return event if time is None else event | {"time": time.isoformat()}


@given(facts, st.sampled_from([(_lago, LAGO), (_cloud, CLOUD_EVENTS)]), st.data())
@examples(200)
def test_the_quicker_way_makes_the_same_recording(
    fact: dict[str, Any], spelled: tuple[Any, Format], data: st.DataObject
) -> None:
    """Whatever stands in one of the members, or beside them."""
    make, form = spelled
    event = make(fact)
    event |= data.draw(_sent)
    name = data.draw(st.sampled_from([*event, ""]))
    if name:
        event[name] = data.draw(_odd)
    sent = json.dumps(event).encode()
    [quick] = recordings_of([sent], form, now=NOW, beside=Beside(by=7))
    [slow] = recordings_of([sent], dataclasses.replace(form, usual=None), now=NOW, beside=Beside(by=7))
    assert msgspec.structs.asdict(replace(quick, id=slow.id)) == msgspec.structs.asdict(slow)


@pytest.mark.parametrize(("make", "form"), [(_lago, LAGO), (_cloud, CLOUD_EVENTS)])
def test_what_is_plainly_right_goes_the_quicker_way(make: Any, form: Format) -> None:
    fact = {"key": "k", "subscription": "s", "type": "t", "metadata": {"a": 1}, "time": NOW}
    assert form.usual is not None
    found = form.usual(json.dumps(make(fact)).encode(), now=NOW, default_key="", beside=Beside(by=7))
    assert (found.key, found.beside) == ("k", Beside(by=7, made=True, whose="s"))
