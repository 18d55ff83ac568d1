"""Names of a file's lines: the same in every import, different in every file, and orderly."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.cli.importing.repeats import Repeats
from usage_billing.core.decimals import plain
from usage_billing.core.identifiers import is_identifier
from usage_billing.flows.recording.import_usage import FileName, key_digest, row_digest, row_key
from usage_billing.metering.recording import Recording

digests = st.binary(max_size=8).map(lambda data: sha256(data).digest())


@given(digests, st.integers(1, 2**40))
@examples(200)
def test_a_line_has_one_id_and_one_key(digest: bytes, line: int) -> None:
    name = FileName(digest)
    assert name.record_id(line) == FileName(digest).record_id(line)
    assert name.record_id(line) < name.record_id(line + 1)
    assert is_identifier(name.key(line))
    assert name.key(line) != name.key(line + 1)
    assert name.record_id(line).version == 8
    # A reader of the time in an id, as of other ids, gets one.
    assert datetime.fromtimestamp((name.record_id(line).int >> 80) / 1000, tz=UTC).year < 2005


@given(digests, digests)
@examples(100)
def test_two_files_share_nothing(one: bytes, other: bytes) -> None:
    assert (one == other) == (FileName(one).record_id(1) == FileName(other).record_id(1))
    assert (one == other) == (FileName(one).key(1) == FileName(other).key(1))


RECORDING = Recording(
    id=UUID(int=1),
    customer_id="user123",
    subscription_id="sub456",
    usage_type="assessment",
    quantity=Decimal("2.50"),
    metadata='{"a":"\u00e4"}',
    occurred_at=datetime(2026, 6, 1, 10, tzinfo=UTC),
    received_at=datetime(2026, 6, 2, tzinfo=UTC),
    timed=True,
    source="east",
)


def test_the_key_of_a_row_never_changes_between_versions() -> None:
    assert row_key(row_digest(RECORDING), 3) == "import:row:4a33fb7a7e36c7c500aaa6f4b5c03f73:3"
    assert is_identifier(row_key(row_digest(RECORDING), 2**40))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"quantity": Decimal("2.5")}, True),
        ({"id": UUID(int=2), "received_at": datetime(2027, 1, 1, tzinfo=UTC)}, True),
        ({"quantity": Decimal("2.51")}, False),
        ({"customer_id": "user124"}, False),
        ({"subscription_id": "sub457"}, False),
        ({"usage_type": "report"}, False),
        ({"metadata": "{}"}, False),
        ({"source": "west"}, False),
        ({"occurred_at": datetime(2026, 6, 1, 10, 0, 0, 1, tzinfo=UTC)}, False),
    ],
)
def test_equal_rows_have_one_digest(change: dict[str, object], same: bool) -> None:
    assert (row_digest(msgspec.structs.replace(RECORDING, **change)) == row_digest(RECORDING)) is same


def test_a_key_counts_for_its_subscription_and_source() -> None:
    named = msgspec.structs.replace(RECORDING, key="k")
    assert key_digest(named) == key_digest(msgspec.structs.replace(named, quantity=Decimal(9)))
    for other in ({"source": "west"}, {"subscription_id": "sub457"}, {"key": "l"}):
        assert key_digest(msgspec.structs.replace(named, **other)) != key_digest(named)


@given(st.lists(st.integers(0, 6), max_size=40))
@examples(100)
def test_equal_digests_are_counted_in_their_order(numbers: list[int]) -> None:
    # 0 and 1 share their first bytes, so the bitmap cannot tell them apart.
    digests = [bytes(8) + bytes([n] * 8) if n < 2 else sha256(bytes([n])).digest()[:16] for n in numbers]
    repeats, seen = Repeats(), Counter[bytes]()
    for digest in digests:
        repeats.note(digest)
    for digest in digests:
        assert repeats.earlier(digest) == seen[digest]
        seen[digest] += 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
@examples(200)
def test_the_digest_of_a_row_is_that_of_pythons_json(metadata: str) -> None:
    row = msgspec.structs.replace(RECORDING, metadata=metadata)
    values = ("row", row.subscription_id, row.source, row.customer_id, row.usage_type, plain(row.quantity), metadata)
    text = json.dumps((*values, row.occurred_at.isoformat()), ensure_ascii=False, separators=(",", ":"))
    assert row_digest(row) == sha256(text.encode()).digest()[:16]
