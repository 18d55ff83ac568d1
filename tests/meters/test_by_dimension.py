"""Prices by dimension: each cell is charged by its own price, once; explained, and verified by other code."""

import json
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
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.metering.recording import Recording
from usage_billing.reports.explain import explain
from usage_billing.reports.verify.books import find_differences

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
