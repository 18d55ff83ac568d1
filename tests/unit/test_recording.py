"""A recording travels from the API to the books unchanged, and equal content has equal fingerprints."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, examples
from usage_billing.core.identifiers import is_identifier, new_id
from usage_billing.metering.metadata import canonical_metadata
from usage_billing.metering.recording import (
    SHARDS,
    Recording,
    decode_recordings,
    encode_recordings,
    shard_of,
)
from usage_billing.metering.service import from_payload, to_payload

names = st.from_regex(r"[A-Za-z0-9_.:-]{1,20}", fullmatch=True)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
documents = st.dictionaries(
    st.text(max_size=6).filter(lambda text: "\x00" not in text),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('abcü€😀"\\/', max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
recordings = st.builds(
    Recording,
    id=st.uuids(),
    customer_id=names,
    subscription_id=names,
    usage_type=names,
    quantity=any_quantities,
    metadata=documents.map(lambda document: canonical_metadata(msgspec.json.encode(document))),
    occurred_at=instants,
    received_at=instants,
    timed=st.booleans(),
    source=names | st.just(""),
    key=names | st.just(""),
)


def changed(recording: Recording, **changes: Any) -> Recording:
    return msgspec.structs.replace(recording, **changes)


@given(st.lists(recordings, max_size=5))
@examples(100)
def test_what_the_inbox_keeps_is_read_back_the_same(batch: list[Recording]) -> None:
    read = decode_recordings(encode_recordings(batch))
    assert read == batch
    assert [str(recording.quantity) for recording in read] == [str(recording.quantity) for recording in batch]
    assert [recording.fingerprint() for recording in read] == [recording.fingerprint() for recording in batch]


@given(recordings)
@examples(100)
def test_what_quarantine_keeps_can_be_replayed_the_same(recording: Recording) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(to_payload(recording))))
    assert from_payload(stored) == recording


@given(recordings, names, any_quantities, instants)
@examples(100)
def test_the_fingerprint_tells_other_content(recording: Recording, name: str, other: Decimal, at: datetime) -> None:
    own = recording.fingerprint()
    assert len(own) == 16
    for field, value in (("customer_id", name), ("usage_type", name), ("quantity", other), ("metadata", '{"x":1}')):
        same = getattr(recording, field) == value
        assert (changed(recording, **{field: value}).fingerprint() == own) == same
    timed = changed(recording, timed=True)
    assert (changed(timed, occurred_at=at).fingerprint() == timed.fingerprint()) == (at == timed.occurred_at)


@given(recordings, st.uuids(), instants)
@examples(100)
def test_a_retry_has_the_fingerprint_of_the_first_try(recording: Recording, other: UUID, at: datetime) -> None:
    retry = changed(recording, id=other, received_at=at)
    assert retry.fingerprint() == recording.fingerprint()
    untimed = changed(recording, timed=False)
    assert changed(untimed, id=other, received_at=at, occurred_at=at).fingerprint() == untimed.fingerprint()


@given(recordings)
@examples(50)
def test_how_a_quantity_was_spelled_does_not_matter(recording: Recording) -> None:
    text = f"{recording.quantity:f}"
    padded = changed(recording, quantity=Decimal(text + ("0" if "." in text else ".0")))
    assert padded.fingerprint() == recording.fingerprint()


@given(documents)
@examples(100)
def test_metadata_is_the_same_text_whatever_the_order_of_its_members(document: dict[str, object]) -> None:
    backwards = dict(reversed(document.items()))
    text = canonical_metadata(msgspec.json.encode(document))
    assert canonical_metadata(msgspec.json.format(msgspec.json.encode(backwards), indent=3)) == text
    assert msgspec.json.decode(text) == document
    assert canonical_metadata(text.encode()) == text


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[{}]", b"[[1]]", b"null", b"\xff", b"[[]]", b'[["x"]]', b"[" * 5000, b'[["\xff"]]']
)
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of two kinds: not JSON, not UTF-8
        decode_recordings(data)


@pytest.mark.parametrize(("name", "shard"), [("sub456", 0), ("sub_1", 3), ("a", 3), ("", 0)])
def test_a_subscription_keeps_its_shard_in_every_release(name: str, shard: int) -> None:
    assert shard_of(name) == shard


@given(names)
@examples(100)
def test_every_subscription_has_a_shard(name: str) -> None:
    assert 0 <= shard_of(name) < SHARDS


def test_without_a_key_its_own_id_is_the_key() -> None:
    recording = Recording(
        id=new_id(),
        customer_id="c",
        subscription_id="s",
        usage_type="t",
        quantity=Decimal(1),
        metadata="{}",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        timed=False,
    )
    assert recording.idempotency_key == str(recording.id)
    assert is_identifier(recording.idempotency_key)
