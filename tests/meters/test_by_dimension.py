"""Prices by dimension: each cell is charged by its own price, once; explained, and verified by other code."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from tests.factories import make_recording, make_world, record
from tests.factories.meters import make_meter
from tests.support.billing import bill
from usage_billing.catalog.service import NewQuota, add_quota_version
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_meters import change_meter
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.metering.recording import Recording
from usage_billing.meters.asked import MeterChanges
from usage_billing.reports.explain import explain
from usage_billing.reports.usage import usage_of_customer
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if

MAY, JUNE, JULY = (datetime(2026, month, 15, tzinfo=UTC) for month in (5, 6, 7))
LATE = datetime(2026, 7, 20, tzinfo=UTC)
PRICE: dict[str, Any] = {
    "model": "by_dimension",
    "cells": [
        {
            "name": "{out} %s",
            "when": {"model": "gpt", "direction": "out"},
            "price": {"model": "per_unit", "unitPrice": "0.10"},
        },
        {
            "name": "GPT",
            "when": {"model": ["gpt", "gpt-mini"]},
            "price": {
                "model": "graduated",
                "tiers": [{"upTo": "500", "unitPrice": "0.02"}, {"upTo": None, "unitPrice": "0.01"}],
            },
        },
    ],
    "default": {"model": "per_unit", "unitPrice": "0.001"},
}


@pytest.fixture
def books(engine: Engine) -> Iterator[Engine]:
    """Tokens by model and direction."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens", dimensions=["model", "direction"])
    yield engine
    with read_only(engine) as session:
        assert [str(found) for found in find_differences(session)] == []


def price_it(engine: Engine, price: dict[str, Any], *, limit: int = 1000, **given: Any) -> None:
    new = NewQuota(plan_id="business", usage_type="tokens", limit=Decimal(limit), price=price, **given)
    with transaction(engine) as session:
        add_quota_version(session, new, now=given.pop("now", datetime(2026, 1, 1, tzinfo=UTC)))


def call(
    tokens: object, model: object = "gpt", direction: str = "in", *, at: datetime = JUNE, now: datetime = JUNE
) -> Recording:
    metadata = json.dumps({"tokens": tokens, "model": model, "direction": direction})
    return make_recording(now=now, occurred_at=at, metadata=metadata)


def items(engine: Engine) -> list[tuple[str, str, str, Decimal, Decimal]]:
    """(status, kind, cell, quantity, amount) of the meter's items."""
    with transaction(engine) as session:
        rows = session.execute(
            select(
                Invoice.status,
                UsageInvoiceItem.kind,
                UsageInvoiceItem.cell,
                UsageInvoiceItem.quantity,
                UsageInvoiceItem.amount,
            )
            .join(Invoice)
            .where(UsageInvoiceItem.usage_type_id == "tokens")
            .order_by(UsageInvoiceItem.created_at, UsageInvoiceItem.id)
        )
        return [tuple(row) for row in rows]


def test_each_cell_has_an_item_of_its_own_and_uses_the_allowance_up_in_order(books: Engine) -> None:
    price_it(books, PRICE)
    with transaction(books) as session:
        record(session, call(400), call(900, direction="out"), call(700, "gpt-mini"), call(50, "llama"))
    bill(books, LATE)
    # 1000 are free: all 900 of the first cell, then 100 of the 1100 of the second.
    assert items(books) == [
        ("finalized", "usage", "GPT", 1000, 15),
        ("finalized", "usage", "default", 50, Decimal("0.05")),
    ]


def test_late_usage_and_voids_are_adjusted_in_their_cell(books: Engine) -> None:
    price_it(books, PRICE)
    gone = call(500, direction="out")
    with transaction(books) as session:
        record(session, gone, call(600, direction="out"), call(100))
    bill(books, LATE)
    assert items(books) == [("finalized", "usage", "{out} %s", 100, 10), ("finalized", "usage", "GPT", 100, 2)]
    with transaction(books) as session:
        record(session, call(2000, "llama", now=LATE))
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=LATE)
    bill(books, LATE)
    assert items(books)[2:] == [
        ("draft", "adjustment", "{out} %s", -100, -10),
        ("draft", "adjustment", "GPT", -100, -2),
        ("draft", "adjustment", "default", 1700, Decimal("1.70")),
    ]
    bill(books, LATE)
    assert len(items(books)) == 5


def test_an_item_is_explained_down_to_the_recordings_of_its_cell(books: Engine) -> None:
    price_it(books, PRICE, limit=0)
    made = [call(400), call(900, direction="out"), call(700, "gpt-mini"), call(50, "llama"), call(5, None)]
    with transaction(books) as session:
        record(session, *made)
    bill(books, LATE)
    with transaction(books) as session:
        found = session.scalars(select(UsageInvoiceItem).where(UsageInvoiceItem.usage_type_id == "tokens")).all()
        explained = {item.cell: explain(session, item.invoice_id, item.id) for item in found}
        assert {cell: [event.id for event in one.events.events] for cell, one in explained.items()} == {
            "{out} %s": [made[1].id],
            "GPT": [made[0].id, made[2].id],
            "default": [made[3].id, made[4].id],
        }
        assert [one.label for one in explained["GPT"].breakdown] == ["tier 1: 500 x 0.02", "tier 2: 600 x 0.01"]
        assert {cell: one.amount_due for cell, one in explained.items()} == {
            "{out} %s": 90,
            "GPT": 16,
            "default": Decimal("0.06"),
        }
        text = explained["{out} %s"].item.description
        assert text == "900 tokens ({out} %s) beyond the allowance, 1 to 30 June 2026"


def test_values_that_a_price_names_keep_their_own_series(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens", dimensions=["model", "direction"], series_limit=1)
    price_it(engine, PRICE, limit=0)
    with transaction(engine) as session:
        record(session, *(call(10, f"m{number}") for number in range(3)))
        record(session, call(100, "gpt-mini"), call(100, "gpt-mini", "out"), call(100, direction="out"))
    bill(engine, LATE)
    assert [(item[2], item[3]) for item in items(engine)] == [("{out} %s", 100), ("GPT", 200), ("default", 30)]
    with transaction(engine) as session:
        stored = session.execute(text("SELECT CAST(dimensions AS text) FROM meter_series ORDER BY 1")).scalars().all()
        assert stored == [
            '["gpt", "out"]',
            '["gpt-mini", "in"]',
            '["gpt-mini", "out"]',
            '["m0", "in"]',
            '{"other": true}',
        ]
        assert list(find_differences(session)) == []


UNIT = {"model": "per_unit", "unitPrice": "0.01"}
BY_MODEL = {
    "model": "by_dimension",
    "cells": [
        {"name": "GPT", "when": {"model": "gpt"}, "price": UNIT, "limit": "100"},
        {"name": "llama", "when": {"model": "llama"}, "price": UNIT | {"minimumAmount": "3"}, "limit": "50"},
    ],
    "default": {"model": "package", "packageSize": "100", "packagePrice": "2"},
    "allowance": "limit",
}


def define(engine: Engine, price: dict[str, Any], *, now: datetime, limit: int = 0, **given: Any) -> None:
    new = NewQuota(plan_id="business", usage_type="tokens", limit=Decimal(limit), price=price, **given)
    with transaction(engine) as session:
        define_quota(session, new, actor="a test", now=now)


def test_each_cell_may_have_its_own_limit(books: Engine) -> None:
    price_it(books, BY_MODEL, limit=0)
    with transaction(books) as session:
        record(session, call(400), call(60, "llama"), call(30, "other"))
        [line] = [
            one for one in usage_of_customer(session, "user123", now=JUNE, span=None) if one.usage_type == "tokens"
        ]
        assert line.cells is not None
    bill(books, LATE)
    assert [item for item in items(books) if item[3]] == [
        ("finalized", "usage", "GPT", 300, 3),
        ("finalized", "usage", "llama", 10, 3),
        ("finalized", "usage", "default", 30, 2),
    ]


def test_what_the_whole_adds_is_an_item_of_its_own(books: Engine) -> None:
    price_it(books, PRICE | {"minimumAmount": "20", "discountPercent": "50"})
    with transaction(books) as session:
        record(session, call(1500))
    bill(books, LATE)
    june = [item for item in items(books) if item[4] != 20]
    assert june == [("finalized", "usage", "GPT", 500, 10), ("finalized", "usage", "", 0, 10)]
    with transaction(books) as session:
        record(session, call(5000, now=LATE))
        whole = session.scalars(select(UsageInvoiceItem).where(UsageInvoiceItem.cell == "").limit(1)).all()
        texts = {item.description for item in whole if item.usage_type_id == "tokens"}
        assert all("raised to the minimum of 20.00" in text for text in texts)
    bill(books, LATE)
    # 500 x 0.02 + 5000 x 0.01 are 60.00; half of it is 30.00.
    assert items(books)[-2:] == [("draft", "adjustment", "GPT", 5000, 50), ("draft", "adjustment", "", 0, -40)]


def test_cells_that_the_next_price_lacks_come_back(books: Engine) -> None:
    price_it(books, PRICE, limit=0)
    with transaction(books) as session:
        record(session, call(300), call(100, direction="out"), call(20, "llama"))
    bill(books, JUNE)
    assert [item[2] for item in items(books)] == ["{out} %s", "GPT", "default"]
    other = [{"name": "GPT", "when": {"model": "gpt"}, "price": UNIT}]
    define(books, PRICE | {"cells": other}, now=JUNE, effective="period", reprice_usage=True)
    bill(books, JUNE)
    assert [item[2:4] for item in items(books)] == [("GPT", 400), ("default", 20)]
    bill(books, LATE)


def test_a_minimum_in_a_cell_holds_once_for_a_price_that_is_left_and_taken_again(books: Engine) -> None:
    """By thirds of June: 30.00 of the cell's minimum are 20.00 for both parts of the price that has it, together."""
    free = {"model": "by_dimension", "cells": [{"name": "llama", "when": {"model": "llama"}, "price": UNIT}]}
    with_minimum = free | {"cells": [free["cells"][0] | {"price": UNIT | {"minimumAmount": "30"}}], "default": UNIT}
    price_it(books, with_minimum, limit=0)
    price = dict[int, dict[str, Any]]({11: free | {"default": UNIT | {"unitPrice": "0.02"}}, 21: with_minimum})
    for day in (1, 11, 21):
        now = datetime(2026, 6, day, tzinfo=UTC)
        if day in price:
            define(books, price[day], now=now, effective="now")
        with transaction(books) as session:
            record(session, call(200, "llama", at=now.replace(hour=5), now=now.replace(hour=5)))
    bill(books, LATE)
    june = text(
        "SELECT amount FROM usage_invoice_items WHERE cell = 'llama' AND period_start >= '2026-06-01Z'"
        " AND period_start < '2026-07-01Z' ORDER BY kind DESC, period_start"
    )
    with read_only(books) as session:
        # 2.00 are raised to 20.00; the middle is 200 x 0.01; what comes after it is still within the 20.00.
        assert session.scalars(june).all() == [20, 2, 0]
    with transaction(books) as session:
        record(session, call(2000, "llama", at=datetime(2026, 6, 25, tzinfo=UTC), now=LATE))
    bill(books, LATE)
    with read_only(books) as session:
        assert session.scalars(june).all() == [20, 2, 0, 4]  # 200 + 200 + 2000 come to 24.00


@pytest.mark.parametrize("seed", range(4))
def test_random_terms_and_usage_stay_right(books: Engine, seed: int) -> None:
    """``verify`` has an arithmetic of its own, and finds nothing after each run."""
    rng = random.Random(seed)
    ways = [
        (PRICE, 500),
        (PRICE | {"allowance": "in_proportion"}, 333),
        (PRICE | {"minimumAmount": "40", "maximumAmount": "55"}, 100),
        (BY_MODEL, 0),
        (BY_MODEL | {"discountPercent": "12.5"}, 0),
        (UNIT | {"minimumAmount": "5"}, 200),
    ]
    price_it(books, ways[seed][0], limit=ways[seed][1])
    made: list[Recording] = []
    for day in (5, 12, 19, 26):
        now = datetime(2026, 6, day, tzinfo=UTC)
        with transaction(books) as session:
            models, quantities = ("gpt", "gpt-mini", "llama", None), (1, 77, 150, 333, "0.333", -20)
            new = [
                call(rng.choice(quantities), rng.choice(models), rng.choice(("in", "out")), at=now, now=now)
                for _ in range(6)
            ]
            record(session, *new)
            made += new
            void_usage(session, made.pop(rng.randrange(len(made))).id, reason="a mistake", actor="a test", now=now)
        if rng.random() < 0.7:
            price, limit = rng.choice(ways)
            define(books, price, now=now, limit=limit, effective="now", reprice_usage=True)
        bill(books, now)
        with read_only(books) as session:
            assert [str(found) for found in find_differences(session)] == []
    bill(books, LATE)
    with transaction(books) as session:
        record(session, *(call(250, model, at=JUNE, now=LATE) for model in ("gpt", "llama")))
    bill(books, LATE)


def test_what_if_tells_cells_apart(books: Engine) -> None:
    price_it(books, UNIT, limit=0)
    with transaction(books) as session:
        record(session, call(100), call(900, direction="out"), call(50, "llama"))
    months = {"start": datetime(2026, 6, 1, tzinfo=UTC), "end": datetime(2026, 7, 1, tzinfo=UTC)}
    with read_only(books) as session:
        [row] = what_if(session, Question(prices={"tokens": PRICE}, **months))
        assert (row.actual, row.hypothetical) == (Decimal("10.50"), Decimal("92.05"))
        strange = PRICE | {"cells": [{"name": "x", "when": {"colour": "red"}, "price": UNIT}]}
        for name, price in (("tokens", strange), ("assessment", PRICE)):
            with pytest.raises(InvalidInput):
                what_if(session, Question(prices={name: price}, **months))


def test_what_a_meter_cannot_have_is_refused(books: Engine) -> None:
    strange = PRICE | {"cells": [{"name": "x", "when": {"colour": "red"}, "price": UNIT}]}
    with transaction(books) as session:
        make_meter(session, id="peak", aggregation="max", value="tokens", dimensions=["model", "direction"])
    for usage_type, price, limit, pointer in (
        ("tokens", strange, 0, "/price/cells/0"),
        ("assessment", PRICE, 0, "/price/model"),
        ("peak", PRICE, 0, "/price/model"),
        ("tokens", BY_MODEL, 5, "/monthlyLimit"),
    ):
        new = NewQuota(plan_id="business", usage_type=usage_type, limit=Decimal(limit), price=price)
        with pytest.raises(InvalidInput) as refused, transaction(books) as session:
            define_quota(session, new, actor="a test", now=JUNE)
        assert [one.pointer for one in refused.value.fields] == [pointer]


def test_a_dimension_that_a_price_names_cannot_go(books: Engine) -> None:
    """Another system's edit of a meter turned 1.00 into 1,000.00."""
    define(books, PRICE, now=JUNE)
    for dimensions in (["direction"], [], ["model", {"as": "way", "value": "direction"}]):
        changes = MeterChanges(given={"dimensions": dimensions}, effective_from=LATE)
        with pytest.raises(Conflict, match="quotas") as refused, transaction(books) as session:
            change_meter(session, "tokens", changes, actor="a test", now=JULY)
        assert refused.value.code == "dimension_in_use"
    with transaction(books) as session:
        kept = MeterChanges(given={"dimensions": ["direction", "model", "size"]}, effective_from=LATE)
        change_meter(session, "tokens", kept, actor="a test", now=JULY)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        ("UPDATE usage_invoice_items SET amount = amount + 1 WHERE cell = 'GPT'", "item_amount"),
        ("UPDATE usage_invoice_items SET cell = 'other' WHERE cell = 'GPT'", "item_total"),
        ("DELETE FROM usage_invoice_items WHERE cell = 'GPT'", "summary_charged"),
    ],
)
def test_verify_finds_what_is_spoilt(engine: Engine, spoil: str, kind: str) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens", dimensions=["model", "direction"])
    price_it(engine, PRICE, limit=0)
    with transaction(engine) as session:
        record(session, call(700), call(800, "llama"))
    bill(engine, JUNE)
    with transaction(engine) as session:
        assert list(find_differences(session)) == []
        session.execute(text(spoil))
        assert kind in {found.kind for found in find_differences(session)}


def test_what_is_left_of_a_cell_that_is_gone_is_explained(books: Engine) -> None:
    """The price loses its first cell for the period under way, and what it counted goes to the second one."""
    price_it(books, PRICE, limit=100)
    gone = call(50)
    with transaction(books) as session:
        record(session, call(500), gone, call(80, direction="out"), call(200, "llama"))
    bill(books, JUNE)
    with transaction(books) as session:
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=JUNE)
    bill(books, JUNE)
    define(books, PRICE | {"cells": PRICE["cells"][1:]}, now=JUNE, limit=100, effective="period", reprice_usage=True)
    for moment in (JUNE, LATE):
        bill(books, moment)
        with read_only(books) as session:
            found = session.scalars(select(UsageInvoiceItem).where(UsageInvoiceItem.usage_type_id == "tokens")).all()
            explained = {one.cell: explain(session, one.invoice_id, one.id) for one in found if one.quantity}
        assert {cell: one.amount_due for cell, one in explained.items()} == {
            "GPT": Decimal("9.60"),
            "default": Decimal("0.20"),
        }
