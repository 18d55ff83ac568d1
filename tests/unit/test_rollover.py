"""What is carried over, beside a slow model in fractions, whatever comes late or is posted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.prepaid.allocating import Allocated, allocate_all
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Need, NeedKey
from usage_billing.prepaid.closings import Closing, allocate_after
from usage_billing.prepaid.rollover import Rollover
from usage_billing.reports.verify.drawn import Closing as Proven
from usage_billing.reports.verify.drawn import paid_in_time
from usage_billing.reports.verify.drawn_words import Carry, Payer, Place, Wants

START = datetime(2026, 1, 1, tzinfo=UTC)
PERIODS = 4
AMOUNTS = st.integers(1, 12)
USED = st.lists(st.integers(0, 15), min_size=PERIODS, max_size=PERIODS)
LIMITS = st.none() | st.integers(1, 8)
SHARES = st.none() | st.sampled_from([1, 33, 50, 100])


def month(number: int) -> datetime:
    return START + timedelta(days=30 * number)


def a_grant(number: int, amount: int, *, begins: int, ends: int) -> Drawable:
    return Drawable(
        id=UUID(int=number), amount=Decimal(amount), priority=50, effective_at=month(begins), expires_at=month(ends)
    )


def plain_id(period: int) -> UUID:
    return UUID(int=2 * period + 1)


def carried_id(period: int) -> UUID:
    return UUID(int=2 * period)


def grants_of(amount: int, periods: int) -> list[Drawable]:
    """One for each period, and from the second on one before it that carries over for so many ``periods``."""
    found = [a_grant(2 * at + 1, amount, begins=at, ends=at + 1) for at in range(PERIODS)]
    return found + [a_grant(2 * at, 0, begins=at, ends=at + periods) for at in range(1, PERIODS)]


def rollovers(amount: int, most: int | None, percent: int | None) -> list[Rollover]:
    return [
        Rollover(
            grant_id=carried_id(at),
            source_id=plain_id(at - 1),
            begins=month(at),
            whole=Decimal(amount),
            places=0,
            at_most=None if most is None else Decimal(most),
            percent=percent,
        )
        for at in range(1, PERIODS)
    ]


def needs_of(used: list[int]) -> list[Need]:
    return [
        Need(key=NeedKey(at + 1, month(at)), subscription_id="s", usage_type_id="calls", quantity=Decimal(quantity))
        for at, quantity in enumerate(used)
    ]


def slowly(
    used: list[int], amount: int, periods: int, most: int | None, percent: int | None
) -> tuple[dict[UUID, Fraction], dict[UUID, Fraction]]:
    """What each grant pays in all, and what each that carries over has: month by month, what ends first pays first."""
    left: dict[UUID, Fraction] = {}
    ends: dict[UUID, int] = {}
    paid: dict[UUID, Fraction] = {}
    carried: dict[UUID, Fraction] = {}
    for at, quantity in enumerate(used):
        if at:
            bounds = [left[plain_id(at - 1)]]
            bounds += [] if most is None else [Fraction(most)]
            bounds += [] if percent is None else [Fraction(floor(Fraction(amount * percent, 100)))]
            carried[carried_id(at)] = left[carried_id(at)] = min(bounds)
            ends[carried_id(at)] = at + periods
        left[plain_id(at)], ends[plain_id(at)] = Fraction(amount), at + 1
        wanted = Fraction(quantity)
        # Of those that end together the one that began first, and then that of the lower id.
        for id in sorted(left, key=lambda id: (ends[id], id.int // 2, id.int)):
            part = min(left[id], wanted) if ends[id] > at else Fraction(0)
            left[id] -= part
            wanted -= part
            paid[id] = paid.get(id, Fraction(0)) + part
    return {id: part for id, part in paid.items() if part}, carried


def by_grant(found: Allocated) -> dict[UUID, Fraction]:
    sums: dict[UUID, Fraction] = {}
    for key, quantity in found.draws.items():
        sums[key.grant_id] = sums.get(key.grant_id, Fraction(0)) + Fraction(quantity)
    return sums


@examples(100)
@given(USED, AMOUNTS, st.integers(1, 3), LIMITS, SHARES)
def test_it_is_what_the_slow_model_carries(
    used: list[int], amount: int, periods: int, most: int | None, percent: int | None
) -> None:
    found = allocate_all(needs_of(used), grants_of(amount, periods), {}, rollovers(amount, most, percent))
    assert (by_grant(found), found.carried) == slowly(used, amount, periods, most, percent)


@examples(100)
@given(USED, USED, AMOUNTS, st.integers(1, 3), LIMITS, SHARES)
def test_late_usage_takes_it_back_though_it_is_posted(
    used: list[int], later: list[int], amount: int, periods: int, most: int | None, percent: int | None
) -> None:
    said = rollovers(amount, most, percent)
    posted = allocate_all(needs_of(used), grants_of(amount, periods), {}, said).draws
    more = [a + b for a, b in zip(used, later, strict=True)]
    found = allocate_all(needs_of(more), grants_of(amount, periods), posted, said)
    sums = by_grant(found)
    for one in said:
        left = Fraction(amount) - sums.get(one.source_id, Fraction(0))
        assert found.carried[one.grant_id] == one.of(Decimal(left.numerator) / left.denominator)
        assert sums.get(one.grant_id, Fraction(0)) <= Fraction(found.carried[one.grant_id])
    # What lies in the first month is paid for by its grant, whatever was carried over and used.
    assert sums.get(plain_id(0), Fraction(0)) == min(amount, more[0])
    for need in needs_of(more):
        paid = sum((part for key, part in found.draws.items() if key.need == need.key), Decimal(0))
        assert paid <= need.quantity
        if paid < need.quantity:
            idle = [one for one in grants_of(amount, periods) if one.holds_at(need.key.window_start)]
            for one in idle:
                has = Fraction(found.carried.get(one.id, one.amount))
                gone = sum(Fraction(found.carried[of.grant_id]) for of in said if of.source_id == one.id)
                assert has - gone == sums.get(one.id, Fraction(0))


@examples(100)
@given(USED, st.integers(0, 15), AMOUNTS, LIMITS, SHARES)
def test_once_the_first_is_closed_by_the_clock_it_moves_no_more(
    used: list[int], late: int, amount: int, most: int | None, percent: int | None
) -> None:
    said, grants = rollovers(amount, most, percent), grants_of(amount, 1)
    more = [used[0] + late, *used[1:]]
    closing = Closing(frozenset({plain_id(0)}), needs_of([used[0], 0, 0, 0]))
    found = allocate_after([closing], needs_of(more), grants, {}, said)
    as_it_was = allocate_all(needs_of(used), grants, {}, said)
    assert found.carried == as_it_was.carried
    assert by_grant(found) == by_grant(as_it_was)


def test_a_share_is_rounded_down_to_what_there_is() -> None:
    one = rollovers(7, None, 50)[0]
    assert one.of(Decimal(7)) == 3
    assert one.of(Decimal(2)) == 2


def test_what_is_posted_last_goes_back_first() -> None:
    said = rollovers(10, None, None)[:1]
    grants = [a_grant(1, 10, begins=0, ends=1), a_grant(2, 0, begins=1, ends=4)]
    early, late = NeedKey(2, month(1)), NeedKey(3, month(2))
    needs = needs_of([4, 5, 5, 0])
    posted = {DrawKey(NeedKey(1, month(0)), plain_id(0)): Decimal(1)}
    posted |= {DrawKey(early, carried_id(1)): Decimal(5), DrawKey(late, carried_id(1)): Decimal(4)}
    found = allocate_all(needs, grants, posted, said)
    assert {key.need: part for key, part in found.draws.items() if key.grant_id == carried_id(1)} == {early: 5, late: 1}
    places = {(place(key.need), key.grant_id): Fraction(part) for key, part in posted.items()}
    proven = paid_in_time([], as_wants(needs), as_payers(grants, said, {}), places)
    assert proven == {(place(key.need), key.grant_id): part for key, part in found.draws.items()}


def test_what_is_closed_by_the_clock_pays_no_more_though_it_carries_over() -> None:
    said = rollovers(10, None, None)[:1]
    grants = [a_grant(1, 10, begins=0, ends=1), a_grant(2, 0, begins=1, ends=4)]
    before, after = needs_of([4, 2, 0, 0]), needs_of([4, 5, 0, 0])
    # A reset closes both at one moment.
    found = allocate_after([Closing(frozenset({plain_id(0), carried_id(1)}), before)], after, grants, {}, said)
    assert by_grant(found) == {plain_id(0): 4, carried_id(1): 2}
    assert found.carried == {carried_id(1): 6}


def test_what_left_goes_back_though_the_one_that_had_it_is_over_too() -> None:
    said = rollovers(10, None, None)[:1]
    grants = [a_grant(1, 10, begins=0, ends=1), a_grant(2, 0, begins=1, ends=2), a_grant(3, 10, begins=1, ends=3)]
    posted = allocate_all(needs_of([4, 12, 0, 0]), grants, {}, said).draws
    needs = needs_of([9, 12, 0, 0])
    both = frozenset({carried_id(1), plain_id(1)})
    found = allocate_after(
        [Closing(ids, needs) for ids in (frozenset({plain_id(0)}), both)], needs, grants, posted, said
    )
    assert by_grant(found) == {plain_id(0): 9, carried_id(1): 1, plain_id(1): 10}
    assert found.carried == {carried_id(1): 1}


def as_payers(grants: list[Drawable], said: list[Rollover], moments: dict[UUID, datetime]) -> list[Payer]:
    """The grants as the proof sees them."""
    over: dict[UUID, list[Rollover]] = {}
    for one in said:
        over.setdefault(one.grant_id, []).append(one)
    return [
        Payer(
            id=one.id,
            units=Fraction(one.amount),
            priority=one.priority,
            since=one.effective_at,
            until=one.expires_at,
            reset_at=None,
            back_to=None,
            types=None,
            subscriptions=None,
            price_of_one=Fraction(0),
            closes_at=moments.get(one.id),
            active=True,
            carries=_carry(over[one.id]) if one.id in over else None,
        )
        for one in grants
    ]


def _carry(said: list[Rollover]) -> Carry:
    return Carry([one.source_id for one in said if one.source_id is not None], bound_of(said[0]))


def bound_of(one: Rollover) -> Fraction | None:
    bounds = [] if one.at_most is None else [Fraction(one.at_most)]
    bounds += [] if one.percent is None else [Fraction(floor(Fraction(one.whole) * one.percent / 100))]
    return min(bounds, default=None)


def place(key: NeedKey) -> Place:
    return Place(key.summary_id, key.window_start)


def as_wants(needs: list[Need]) -> list[Wants]:
    return [Wants(place(one.key), "s", "calls", Fraction(one.quantity)) for one in needs]


@examples(200)
@given(
    st.lists(USED, min_size=2, max_size=4),
    AMOUNTS,
    st.integers(1, 3),
    LIMITS,
    SHARES,
    st.lists(st.sampled_from([plain_id(0), plain_id(1), carried_id(1), carried_id(2)]), unique=True, max_size=4),
    st.booleans(),
)
def test_the_proof_finds_the_same_whatever_is_posted_and_closes(
    states: list[list[int]],
    amount: int,
    periods: int,
    most: int | None,
    percent: int | None,
    close: list[UUID],
    together: bool,
) -> None:
    said, grants = rollovers(amount, most, percent), grants_of(amount, periods)
    # What carries over never closes before that from which it does.
    closing = [one for one in sorted(close) if one in (plain_id(0), plain_id(1)) or UUID(int=one.int - 1) in close]
    moments = {one: START if together else month(one.int // 2 + 1) for one in closing}
    posted = allocate_all(needs_of(states[0]), grants, {}, said).draws
    groups = [(at, frozenset(one for one in moments if moments[one] == at)) for at in sorted(set(moments.values()))]
    then = needs_of(states[1])
    found = allocate_after([Closing(ids, then) for _, ids in groups], needs_of(states[-1]), grants, posted, said)
    proven = paid_in_time(
        [Proven(at, as_wants(then)) for at, _ in groups],
        as_wants(needs_of(states[-1])),
        as_payers(grants, said, moments),
        {(place(key.need), key.grant_id): Fraction(part) for key, part in posted.items()},
    )
    assert proven == {(place(key.need), key.grant_id): part for key, part in found.draws.items()}
    paid = by_grant(found)
    assert all(paid.get(id, 0) <= Fraction(units) for id, units in found.carried.items())


@examples(200)
@given(
    st.lists(USED, min_size=3, max_size=3),
    st.lists(AMOUNTS, min_size=3, max_size=3),
    st.integers(0, 20),
    st.booleans(),
)
def test_several_give_what_one_bound_lets_through(
    states: list[list[int]], amounts: list[int], most: int, close: bool
) -> None:
    """In their order, as the proof finds it; and posting any of it changes nothing."""
    kept = UUID(int=9)
    sources = [a_grant(number, amount, begins=0, ends=1) for number, amount in enumerate(amounts, 1)]
    grants = [*sources, a_grant(9, 0, begins=1, ends=PERIODS)]
    said = [
        Rollover(grant_id=kept, source_id=one.id, begins=month(1), whole=one.amount, places=0, at_most=Decimal(most))
        for one in reversed(sources)
    ]
    posted = allocate_all(needs_of(states[0]), grants, {}, said).draws
    then, ids = needs_of(states[1]), frozenset(one.id for one in sources)
    closings = [Closing(ids, then)] if close else []
    found = allocate_after(closings, needs_of(states[2]), grants, posted, said)
    moments = dict.fromkeys(ids, month(1)) if close else {}
    proven = paid_in_time(
        [Proven(month(1), as_wants(then))] if close else [],
        as_wants(needs_of(states[2])),
        as_payers(grants, said, moments),
        {(place(key.need), key.grant_id): Fraction(part) for key, part in posted.items()},
    )
    assert proven == {(place(key.need), key.grant_id): part for key, part in found.draws.items()}
    assert found.carried[kept] == sum(found.parts[one.id, kept] for one in sources) <= most
    paid = by_grant(found)
    assert paid.get(kept, 0) <= found.carried[kept]
    for one in sources:
        assert paid.get(one.id, 0) + Fraction(found.parts[one.id, kept]) <= one.amount
    if not close:
        left = sum(max(Fraction(one.amount) - paid.get(one.id, 0), Fraction(0)) for one in sources)
        assert found.carried[kept] == min(left, most)
        assert allocate_all(needs_of(states[2]), grants, found.draws, said) == found
