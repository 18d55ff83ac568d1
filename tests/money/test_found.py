"""Books with everything in them that money can do are clean; whatever is changed in them by SQL is found."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.money.books import differences
from tests.money.house import DIME, House, day
from usage_billing.db.session import rolled_back
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.verify.difference import Difference

LATER = timedelta(hours=2)
TIERS = [{"upTo": "5", "flatFee": "1"}, {"upTo": None, "unitPrice": "2"}]
CHANGES = [
    "UPDATE usage_summaries SET allowance = allowance + 1 WHERE id = (SELECT min(id) FROM usage_summaries)",
    "UPDATE usage_summaries SET total = total + 1, beyond_limit = beyond_limit + 1 WHERE allowance IS NOT NULL",
    "UPDATE usage_summaries SET events_hash = decode(repeat('11', 32), 'hex')",
    "UPDATE usage_summaries SET period_end = period_end - interval '1 hour'",
    "UPDATE usage_summaries SET bills_at = bills_at + interval '1 hour'",
    "UPDATE usage_summaries SET quota_id = (SELECT max(id) FROM usage_quotas)",
    "UPDATE usage_summaries SET voids = voids + 1",
    "DELETE FROM usage_voids",
    "UPDATE usage SET beyond_limit = 0 WHERE beyond_limit > 0",
    "UPDATE usage SET quantity = quantity + 1",
    "UPDATE fee_charges SET amount = amount + 1 WHERE id = (SELECT min(id) FROM fee_charges)",
    "UPDATE fee_charges SET period_end = period_end - interval '1 hour'",
    "DELETE FROM usage_invoice_items WHERE fee_id = (SELECT max(id) FROM fee_charges)",
    "DELETE FROM usage_invoice_items WHERE summary_id IS NOT NULL",
    "UPDATE usage_invoice_items SET amount = amount + 1 WHERE kind = 'adjustment'",
    "UPDATE usage_invoice_items SET charged_before = charged_before + 1 WHERE fee_id IS NOT NULL",
    "UPDATE usage_invoice_items SET billable = billable + 1 WHERE summary_id IS NOT NULL",
    "UPDATE usage_invoice_items SET events_hash = decode(repeat('11', 32), 'hex') WHERE summary_id IS NOT NULL",
    "UPDATE usage_invoice_items SET voids = voids + 1 WHERE voids > 0",
    "UPDATE invoices SET total = total + 1 WHERE number = 1",
    "UPDATE invoices SET credit_applied = 0 WHERE credit_applied > 0",
    "UPDATE invoices SET number = 99 WHERE number = 1",
    "UPDATE credit_balances SET balance = balance + 1",
    "UPDATE credit_entries SET amount = amount + 1",
    "DELETE FROM credit_entries",
    "UPDATE subscription_terms SET ends_at = ends_at - interval '1 day' WHERE ends_at IS NOT NULL",
    "UPDATE plans SET base_fee = base_fee + 1",
    "UPDATE usage_quotas SET monthly_limit = monthly_limit + 1",
    "UPDATE usage_quotas SET price = jsonb_set(price, '{minimumAmount}', '\"99\"')",
]


@pytest.fixture
def rich(house: House) -> House:
    """Plans with fees, changed in mid-period; a void, credit granted and applied, a void invoice, a cancellation."""
    house.plan("a", fee="31", base_fee_timing="advance")
    house.plan("b", fee="62")
    house.quota(
        "a", "31", {"model": "graduated", "tiers": [{"upTo": "5", "flatFee": "1"}, {"upTo": None, "unitPrice": "2"}]}
    )
    house.quota("b", "62", DIME | {"minimumAmount": "3"})
    house.subscribe()
    house.subscribe("t", "b")
    first = house.use(100, at=day(3))
    house.use(3, at=day(4))
    house.bill(day(5))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(500, at=day(12))
    house.bill(day(1, month=2) + LATER)
    house.void(first, at=day(2, month=2))
    house.bill(day(3, month=2))
    house.bill(day(1, month=3) + LATER)
    house.by_hand("void", house.ids("t")[0])
    house.use(7, at=day(2, month=3))
    house.change("cancel", at=day(21, month=3), name="t")
    house.bill(day(1, month=4) + LATER)
    return house


def test_books_with_everything_in_them_are_clean(rich: House) -> None:
    assert differences(rich.engine) == []


def test_whatever_is_changed_is_found(rich: House) -> None:
    missed = [statement for statement in CHANGES if not found_after(rich, statement)]
    assert missed == []


@pytest.mark.parametrize("what", ["before_quantity", "before_recordings"])
def test_what_an_item_says_came_before_it_is_the_sum_of_its_neighbours(house: House, what: str) -> None:
    for plan in ("a", "b"):
        house.plan(plan)
        house.quota(plan, "0", DIME)
    house.subscribe()
    for number, plan in ((3, "b"), (11, "a"), (21, "b")):
        house.use(5, at=day(number))
        house.change("change_plan", at=day(number + 1), plan_id=plan)
    house.use(4, at=day(28))
    house.bill(day(1, month=2) + LATER)
    statement = (
        f"UPDATE usage_invoice_items SET {what} = {what} + 1 WHERE period_start = (SELECT max(period_start) FROM"
    )
    found = found_after(house, f"{statement} usage_invoice_items)")
    assert "item_before" in {difference.kind for difference in found}


def found_after(house: House, statement: str) -> list[Difference]:
    """What is found after a change, which is undone."""
    with rolled_back(house.engine) as session:
        for table in ("invoices", "usage_invoice_items"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        session.execute(text(statement))
        return list(find_differences(session))
