"""A segment that is charged and then cut is divided anew, and each item is proven as it was written."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_recording, record
from tests.factories.meters import fold, make_meter
from tests.money.house import House, day, make_house
from tests.support.books import rows
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.administration.own_quotas import end_own_quota
from usage_billing.flows.folding.fold_meters import fold_subscriptions
from usage_billing.reports.verify.books import find_differences

METERS = {
    "average": {"aggregation": "average"},
    "min": {"aggregation": "min"},
    "latest": {"aggregation": "latest"},
    "max": {"aggregation": "max"},
    "mean": {"aggregation": "level", "mode": "set", "per": "period"},
    "level": {"aggregation": "level", "mode": "set", "per": "day"},
    "median": {
        "aggregation": "max",
        "window": {"every": "day", "across": "percentile", "percent": "50", "empty": "skip"},
    },
}
DIVIDED = ("average", "min", "latest")


def price(dollars: str) -> dict[str, str]:
    return {"model": "per_unit", "unitPrice": dollars}


def metered(engine: Engine, kind: str) -> House:
    """Twelve from the third of January on; two are free, and one beyond is 1.00 on plan a and 2.00 on plan b."""
    house = make_house(engine)
    with transaction(engine) as session:
        make_meter(session, id="m", of="calls", value="n", **METERS[kind])
    for plan, dollars in (("a", "1"), ("b", "2")):
        house.plan(plan)
        house.quota(plan, "2", price(dollars), of="m")
    house.subscribe()
    with transaction(engine) as session:
        one = make_recording(
            now=day(3), customer="ann", subscription="s", usage_type="calls", metadata=json.dumps({"n": 12})
        )
        record(session, one)
    return house


CHANGES: dict[str, Callable[[House, int], object]] = {
    "own price": lambda house, month: house.quota(
        "a", "2", price("3"), own="s", at=day(21, month=month), effective="now", reprice=True, of="m"
    ),
    "plan": lambda house, month: house.change("change_plan", plan_id="b", at=day(21, month=month), when=day(21)),
    "pause": lambda house, month: house.change("pause", at=day(21, month=month), when=day(21)),
    "end": lambda house, month: house.change("cancel", at=day(21, month=month), when=day(21)),
}


def differences(house: House) -> list[str]:
    """Also of what folds would have divided anew by then."""
    with read_only(house.engine) as session:
        found = [str(one) for one in find_differences(session)]
    with rolled_back(house.engine) as session:
        fold_subscriptions(session, ["s"], as_of=day(21))
        return found + [str(one) for one in find_differences(session)]


def charged(house: House) -> list[tuple[Decimal, Decimal]]:
    """(quantity, amount) by segment, of all invoices that stand."""
    found = rows(
        house.engine,
        "SELECT sum(t.quantity) AS quantity, sum(t.amount) AS amount FROM usage_invoice_items t"
        " JOIN invoices i ON i.id = t.invoice_id WHERE i.status <> 'void' GROUP BY t.period_start"
        " ORDER BY t.period_start",
    )
    return [(Decimal(row.quantity), Decimal(row.amount)) for row in found]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["average", "median"])
def test_a_draft_of_a_segment_that_is_cut_is_proven_before_the_next_run_and_after(
    engine: Engine, kind: str, change: str
) -> None:
    house = metered(engine, kind)
    house.quota("a", "2", price("0.5"), own="s", at=day(11), effective="now", reprice=True, of="m")
    house.bill(day(12))
    CHANGES[change](house, 1)
    assert differences(house) == []
    house.bill(day(22))
    house.bill(day(5, month=2))
    assert differences(house) == []


@pytest.mark.parametrize("kind", DIVIDED)
def test_each_price_charges_the_time_for_which_it_held(engine: Engine, kind: str) -> None:
    """Twelve over 31 days: 10 days at 1.00, of which two units are free, 10 days at 0.50, 11 days at 3.00."""
    house = metered(engine, kind)
    house.quota("a", "2", price("0.5"), own="s", at=day(11), effective="now", reprice=True, of="m")
    house.bill(day(12))
    assert [amount for _, amount in charged(house)] == [Decimal("1.87"), Decimal("4.06")]
    CHANGES["own price"](house, 1)
    house.bill(day(5, month=2))
    assert charged(house) == [
        (Decimal("1.870967741935"), Decimal("1.87")),
        (Decimal("3.870967741936"), Decimal("1.94")),
        (Decimal("4.258064516129"), Decimal("12.77")),
    ]


@pytest.mark.parametrize(("own", "void"), [(False, False), (True, False), (True, True)], ids=["whole", "cut", "void"])
@pytest.mark.parametrize("change", ["plan", "pause", "end"])
@pytest.mark.parametrize("kind", ["average", "mean"])
def test_an_item_that_is_final_is_proven_as_it_was_written(
    engine: Engine, kind: str, change: str, *, own: bool, void: bool
) -> None:
    """A change that begins in a month which is invoiced is charged by adjustments; the items of then stay right."""
    house = metered(engine, kind)
    if own:
        house.quota("a", "2", price("0.5"), own="s", at=day(11), effective="now", reprice=True, of="m")
    house.bill(day(5, month=2))
    if void:
        house.by_hand("void", house.ids()[0], at=day(6, month=2))
    CHANGES[change](house, 2)
    assert differences(house) == []
    house.bill(day(22, month=2))
    assert differences(house) == []


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_a_pause_that_is_over_divides_a_draft_anew(engine: Engine, kind: str) -> None:
    house = metered(engine, kind)
    house.change("pause", at=day(11))
    house.bill(day(12))
    house.change("resume", at=day(21))
    assert differences(house) == []
    house.bill(day(5, month=2))
    assert differences(house) == []


@pytest.mark.parametrize("kind", ["average", "median"])
def test_a_segment_that_is_no_more_gives_back_what_it_charged(engine: Engine, kind: str) -> None:
    house = metered(engine, kind)
    own = house.quota("a", "2", price("0.5"), own="s", at=day(11), effective="now", reprice=True, of="m")
    house.bill(day(12))
    with transaction(engine) as session:
        end_own_quota(session, own.id, effective="start", reprice_usage=True, actor="test", now=day(21))
    assert differences(house) == []
    house.bill(day(5, month=2))
    assert differences(house) == []


def test_verify_finds_an_item_that_was_divided_otherwise(engine: Engine) -> None:
    house = metered(engine, "average")
    house.quota("a", "2", price("0.5"), own="s", at=day(11), effective="now", reprice=True, of="m")
    house.bill(day(12))
    with transaction(engine) as session:
        session.execute(
            text(
                "UPDATE usage_invoice_items SET sources = jsonb_set(sources, '{0,segments}',"
                " jsonb_build_array(sources -> 0 -> 'segments' -> 0))"
            )
        )
    assert any("item_total" in found for found in differences(house))


def test_late_usage_takes_from_the_budget_of_the_next_segment_once_it_is_billed(engine: Engine) -> None:
    house = make_house(engine)
    with transaction(engine) as session:
        make_meter(session, id="m", of="calls")
    for plan in "ab":
        house.plan(plan)
        house.quota(plan, "10", of="m")
    house.subscribe()
    house.use(3, at=day(3))
    house.change("change_plan", plan_id="b", at=day(11))
    house.use(4, at=day(12))
    house.bill(day(13))
    house.use(5, occurred=day(4), at=day(14))
    with transaction(engine) as session:
        fold(session)
    assert differences(house) == []
    house.bill(day(15))
    assert differences(house) == []
