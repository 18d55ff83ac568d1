"""Lines of a file put away and given back: all of them, each subscription's in the order of the file."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.properties import examples
from usage_billing.cli.importing.spool import Spool, Spooled
from usage_billing.metering.recording import Recording, shard_of

NOW = datetime(2026, 6, 2, tzinfo=UTC)


def line(number: int, subscription: str) -> Spooled:
    recording = Recording(
        id=UUID(int=number),
        customer_id="user123",
        subscription_id=subscription,
        usage_type="assessment",
        quantity=Decimal("0.000000000001") * number,
        metadata='{"a":"ä"}',
        occurred_at=NOW,
        received_at=NOW,
        timed=True,
        source="east",
    )
    return Spooled(recording, number, None if number % 2 else number.to_bytes(16))


@given(st.lists(st.integers(0, 20), max_size=500))
@examples(50)
def test_lines_come_back_by_shard_and_each_subscription_in_its_order(subscriptions: list[int]) -> None:
    lines = [line(number, f"sub{one}") for number, one in enumerate(subscriptions, 1)]
    spool = Spool()
    for one in lines:
        spool.add(one)
    shards = [list(shard) for shard in spool.shards()]
    back = list(chain.from_iterable(shards))
    assert spool.lines == len(lines)
    assert sorted(back, key=lambda one: one.number) == lines
    assert all(len({shard_of(one.recording.subscription_id) for one in shard}) == 1 for shard in shards)
    for name in {one.recording.subscription_id for one in lines}:
        numbers = [one.number for one in back if one.recording.subscription_id == name]
        assert numbers == sorted(numbers)


def test_a_long_file_of_one_subscription_is_not_kept_in_memory() -> None:
    spool = Spool()
    for number in range(1, 1001):
        spool.add(line(number, "sub456"))
    (lines,) = spool.shards()
    assert [one.number for one in lines] == list(range(1, 1001))
    assert [len(group.waiting) for groups in spool._groups for group in groups if group.waiting] == [1000 % 64]


def test_long_metadata_of_many_subscriptions_are_not_kept_in_memory() -> None:
    spool, long = Spool(), "x" * 16_000
    lines = [line(number, f"sub{number % 500}") for number in range(1, 2001)]
    for one in lines:
        spool.add(replace(one, recording=replace(one.recording, metadata=long)))
    waiting = [one for groups in spool._groups for group in groups for one in group.waiting]
    assert 0 < sum(len(one.recording.metadata) for one in waiting) <= 256 * 32_768
    back = chain.from_iterable(spool.shards())
    assert sorted(one.number for one in back) == [one.number for one in lines]
