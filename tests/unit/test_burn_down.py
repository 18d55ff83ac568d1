"""Which grant pays for what, beside a slow rule in fractions, and the laws that hold for any books."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.prepaid.allocating import allocate
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Draws, Need, NeedKey, covered_of, windows_of

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.integers(0, 6).map(lambda days: START + timedelta(days=days))
AMOUNTS = st.integers(1, 12).map(Decimal)
TYPES = st.sampled_from(["calls", "pages"])
SUBSCRIPTIONS = st.sampled_from(["s", "t"])


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def a_grant(number: int, amount: str, **said: object) -> Drawable:
    usual: dict[str, object] = {"priority": 50, "effective_at": START}
    return Drawable(id=UUID(int=number), amount=Decimal(amount), **(usual | said))  # type: ignore[arg-type]


def a_need(quantity: str, *, at: int = 0, summary: int = 1, subscription: str = "s", usage_type: str = "calls") -> Need:
    return Need(
        key=NeedKey(summary, day(at)),
        subscription_id=subscription,
        usage_type_id=usage_type,
        quantity=Decimal(quantity),
    )


@st.composite
def grants(draw: st.DrawFn) -> list[Drawable]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        effective = draw(DAYS)
        found.append(
            Drawable(
                id=UUID(int=number),
                amount=draw(AMOUNTS),
                priority=draw(st.sampled_from([10, 50])),
                effective_at=effective,
                expires_at=draw(
                    st.none() | st.integers(1, 4).map(lambda days, at=effective: at + timedelta(days=days))
                ),
                covers_since=draw(
                    st.none() | st.integers(0, 3).map(lambda days, at=effective: at - timedelta(days=days))
                ),
                usage_types=draw(st.none() | st.frozensets(TYPES, min_size=1)),
                subscriptions=draw(st.none() | st.frozensets(SUBSCRIPTIONS, min_size=1)),
                unit_cost=draw(st.sampled_from([Fraction(0), Fraction(1, 3)])),
                is_open=draw(st.sampled_from([True, True, True, False])),
            )
        )
    return found


@st.composite
def needs(draw: st.DrawFn) -> list[Need]:
    keys = draw(st.lists(st.tuples(DAYS, SUBSCRIPTIONS, TYPES), max_size=6, unique=True))
    return [
        Need(
            key=NeedKey(number, at), subscription_id=subscription, usage_type_id=usage_type,
            quantity=draw(st.integers(0, 9).map(Decimal)),
        )
        for number, (at, subscription, usage_type) in enumerate(keys)
    ]  # fmt: skip


def slowly(needs: list[Need], grants: list[Drawable], posted: dict[DrawKey, Decimal]) -> Draws:
    """The rule again: a unit at a time, each looking for the grant that comes first."""

    def comes_first(grant: Drawable) -> list[object]:
        narrow = [scope for scope in (grant.usage_types, grant.subscriptions) if scope is not None]
        never = datetime.max.replace(tzinfo=UTC)
        return [
            grant.priority,
            2 - len(narrow),
            grant.expires_at or never,
            grant.unit_cost,
            grant.effective_at,
            str(grant.id),
        ]

    by_id = {grant.id: grant for grant in grants}
    out = {key: Fraction(quantity) for key, quantity in posted.items()}
    for need in needs:
        while sum(part for key, part in out.items() if key.need == need.key) > need.quantity:
            here = [key for key, part in out.items() if key.need == need.key and part > 0]
            last = max(here, key=lambda key: comes_first(by_id[key.grant_id]))
            out[last] -= 1
    for reaching in (False, True):
        for need in sorted(needs, key=lambda n: (n.key.window_start, n.subscription_id, n.usage_type_id, n.key)):
            at = need.key.window_start
            while sum(part for key, part in out.items() if key.need == need.key) < need.quantity:
                fitting = [
                    grant
                    for grant in grants
                    if grant.is_open
                    and sum(part for key, part in out.items() if key.grant_id == grant.id) < grant.amount
                    and (grant.usage_types is None or need.usage_type_id in grant.usage_types)
                    and (grant.subscriptions is None or need.subscription_id in grant.subscriptions)
                    and not (grant.expires_at and grant.expires_at <= at)
                    and (
                        (grant.covers_since is not None and grant.covers_since <= at)
                        if reaching
                        else grant.effective_at <= at
                    )
                ]
                if not fitting:
                    break
                key = DrawKey(need.key, min(fitting, key=comes_first).id)
                out[key] = out.get(key, Fraction(0)) + 1
    return {key: Decimal(part.numerator) for key, part in out.items() if part}


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Need], list[Drawable], Draws]:
    """Grants, what was posted by earlier needs, and the needs of now."""
    of, before, now = draw(grants()), draw(needs()), draw(needs())
    posted = allocate(before, [replace(grant, is_open=True) for grant in of], {})
    same = {need.key: need for need in now}
    now += [
        replace(need, quantity=min(need.quantity, draw(st.integers(0, 9).map(Decimal))))
        for need in before
        if need.key not in same
    ]
    scope = {need.key: (need.subscription_id, need.usage_type_id) for need in before}
    now = [
        need for need in now if scope.get(need.key, (need.subscription_id, need.usage_type_id))
        == (need.subscription_id, need.usage_type_id)
    ]  # fmt: skip
    keys = {need.key for need in now}
    return now, of, {key: quantity for key, quantity in posted.items() if key.need in keys}


@given(books())
@examples(150)
def test_it_is_the_slow_rule(found: tuple[list[Need], list[Drawable], Draws]) -> None:
    needs, grants, posted = found
    assert allocate(needs, grants, posted) == slowly(needs, grants, posted)


@given(books(), st.randoms(use_true_random=False))
@examples(100)
def test_laws(found: tuple[list[Need], list[Drawable], Draws], shuffled: object) -> None:
    needs, grants, posted = found
    draws = allocate(needs, grants, posted)
    by_id = {grant.id: grant for grant in grants}
    out = {id: sum((q for key, q in draws.items() if key.grant_id == id), Decimal(0)) for id in by_id}
    covered = {need.key: sum((q for k, q in draws.items() if k.need == need.key), Decimal(0)) for need in needs}
    for need in needs:
        assert 0 <= covered[need.key] <= need.quantity
    for key, quantity in draws.items():
        need = next(one for one in needs if one.key == key.need)
        at, grant = need.key.window_start, by_id[key.grant_id]
        assert quantity > 0
        assert grant.fits(need)
        assert grant.holds_at(at) or grant.reaches_back_to(at)
        if not grant.is_open:
            assert quantity <= posted[key]
    for grant in grants:
        assert out[grant.id] <= grant.amount
        if grant.is_open and out[grant.id] < grant.amount:
            # No credit is idle while a need that it fits is uncovered.
            for need in needs:
                at = need.key.window_start
                if grant.fits(need) and (grant.holds_at(at) or grant.reaches_back_to(at)):
                    assert covered[need.key] == need.quantity
    shuffled.shuffle(needs)  # type: ignore[attr-defined]
    shuffled.shuffle(grants)  # type: ignore[attr-defined]
    assert allocate(needs, grants, posted) == draws
    assert allocate(needs, grants, draws) == draws  # posting changes nothing
    for posts in grants:  # of one grant alone neither
        of_one = {key: quantity for key, quantity in draws.items() if key.grant_id == posts.id or key in posted}
        assert allocate(needs, grants, of_one) == draws
    assert sum(covered_of(draws).values()) == sum(covered.values())


@pytest.mark.parametrize(
    ("grants", "pays"),
    [
        ([a_grant(1, "9"), a_grant(2, "9", priority=10)], 2),
        ([a_grant(1, "9"), a_grant(2, "9", usage_types=frozenset({"calls"}))], 2),
        ([a_grant(1, "9"), a_grant(2, "9", expires_at=day(9))], 2),
        ([a_grant(1, "9", expires_at=day(9)), a_grant(2, "9", expires_at=day(8))], 2),
        ([a_grant(1, "9", unit_cost=Fraction(1)), a_grant(2, "9")], 2),
        ([a_grant(1, "1", unit_cost=Fraction(1)), a_grant(2, "9", unit_cost=Fraction(8, 9))], 2),
        ([a_grant(1, "9"), a_grant(2, "9", effective_at=day(-1))], 2),
        ([a_grant(2, "9"), a_grant(1, "9")], 1),
        ([a_grant(1, "9", unit_cost=Fraction(1), effective_at=day(-1)), a_grant(2, "9")], 2),
        ([a_grant(1, "9", effective_at=day(1), covers_since=day(-9)), a_grant(2, "9", priority=99)], 2),
        ([a_grant(1, "9", expires_at=START), a_grant(2, "9")], 2),
    ],
    ids=[
        "priority",
        "narrower",
        "expires",
        "earlier",
        "given",
        "cheaper",
        "older",
        "id",
        "given later",
        "reaches back",
        "is over",
    ],
)
def test_the_burn_order(grants: list[Drawable], pays: int) -> None:
    assert {key.grant_id for key in allocate([a_need("1")], grants, {})} == {UUID(int=pays)}


def test_what_the_need_no_longer_wants_goes_back_the_last_grant_first() -> None:
    first, second = a_grant(1, "5", priority=10), a_grant(2, "5")
    posted = allocate([a_need("8")], [first, second], {})
    assert [(key.grant_id.int, int(quantity)) for key, quantity in sorted(posted.items())] == [(1, 5), (2, 3)]
    kept = allocate([a_need("4")], [first, second], posted)
    assert [(key.grant_id.int, int(quantity)) for key, quantity in kept.items()] == [(1, 4)]


def test_windows_begin_where_grants_begin_and_end() -> None:
    assert windows_of(day(0), day(5), [day(3), day(0), day(5), day(1), day(3), day(9)]) == [day(0), day(1), day(3)]
