"""``usage-billing verify`` finds what plain SQL spoils in wallets: what is posted, in which order, and why."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.verify.books import find_differences

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TABLES = ("wallet_transfers", "wallet_grants", "wallet_draws", "invoice_prepaid", "audit_log", "invoices")


def spoil(house: House, *statements: str, **names: Any) -> set[str]:
    """Change the books past their guards; returns the kinds of differences that are found then."""
    with transaction(house.engine) as session:
        for table in TABLES:
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            assert session.execute(text(statement), names).rowcount > 0, statement
        for table in TABLES:
            session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    with read_only(house.engine) as session:
        return {one.kind for one in find_differences(session)}


@pytest.fixture
def billed(house: House) -> House:
    """June is final: 8 that were given and then 37 that were bought pay for all 15 of s, and for 30 of the 50 of t."""
    house.grant(8, priority=10)
    bought = house.grant(40, cost="40.00")
    house.ok("POST", f"/api/grants/{bought['id']}/refund", {"amount": "3", "idempotencyKey": "r"})
    house.use(25, at=JUNE + DAY)
    house.use(60, at=JUNE + 2 * DAY, subscription="t")
    house.bill(JULY + 2 * HOUR)
    house.verified()
    return house


def grants(house: House) -> list[Any]:
    return list(scalars(house.engine, "SELECT id FROM wallet_grants ORDER BY priority"))


OF_T = "(SELECT id FROM usage_summaries WHERE subscription_id = 't')"
OF_S = "(SELECT id FROM usage_summaries WHERE subscription_id = 's')"


def moved(units: int, summary: str, grant: str) -> list[str]:
    """``units`` more are posted of a summary and a grant, and all sums say so."""
    place = f"WHERE summary_id = {summary} AND grant_id = :{grant}"
    return [
        f"UPDATE wallet_draws SET posted = posted + {units} {place}",
        f"UPDATE wallet_transfers SET amount = amount + {units}, cost = cost + {units} * CAST(kind = 'used' AND"
        f" (SELECT cost > 0 FROM wallet_grants WHERE id = grant_id) AS integer) {place}",
        f"UPDATE wallet_grants SET posted = posted + {units} WHERE id = :{grant}",
    ]


SPOILT = {
    "another order": (["UPDATE wallet_grants SET priority = 90 WHERE id = :gift"], {"wallet_order"}),
    "more than is wanted": ([*moved(-4, OF_T, "bought"), *moved(4, OF_S, "bought")], {"wallet_beyond"}),
    "less than a grant could pay": (moved(-4, OF_T, "bought"), {"wallet_idle"}),
    "charged otherwise": (
        [f"UPDATE covered_summaries SET covered = covered - 1 WHERE summary_id = {OF_T}"],
        {"wallet_covered", "summary_charged"},
    ),
    "sums of a draw": (["UPDATE wallet_draws SET posted = posted - 1 WHERE grant_id = :gift"], {"wallet_draw"}),
    "sums of a grant": (["UPDATE wallet_grants SET posted = posted - 1 WHERE id = :bought"], {"wallet_grant"}),
    "its cost": (["UPDATE wallet_transfers SET cost = cost + 1 WHERE kind = 'refunded'"], {"wallet_cost"}),
    "its time": (
        ["UPDATE wallet_draws SET window_start = '2026-05-01Z' WHERE grant_id = :gift"],
        {"wallet_scope", "wallet_draw"},
    ),
    "an account": (["UPDATE wallet_transfers SET debit = 'expired' WHERE kind = 'used'"], {"wallet_transfer"}),
    "what kind it is": (
        ["UPDATE wallet_transfers SET kind = 'given', credit = 'given' WHERE kind = 'sold'"],
        {"wallet_transfer"},
    ),
    "an invoice that a sale has not": (
        ["UPDATE wallet_transfers SET invoice_id = (SELECT id FROM invoices LIMIT 1) WHERE kind = 'given'"],
        {"wallet_transfer"},
    ),
    "an act by hand": (["DELETE FROM audit_log WHERE action = 'wallet.grant_refunded'"], {"wallet_by_hand"}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_was_spoilt_in_units_is_found(billed: House, name: str) -> None:
    statements, expected = SPOILT[name]
    gift, bought = grants(billed)
    given = {key: value for key, value in {"gift": gift, "bought": bought}.items() if f":{key}" in "".join(statements)}
    found = spoil(billed, *statements, **given)
    assert found == expected


@pytest.fixture
def paid(house: House) -> House:
    """June is final: money given first and money bought pay all 30.00 of s in turn."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    for amount, priority in (("10.00", 10), ("40.00", 50)):
        body = {"amount": amount, "priority": priority, "idempotencyKey": amount, "effectiveAt": JUNE.isoformat()}
        house.ok("POST", "/api/wallets/m/grants", body)
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    house.verified()
    return house


GIVEN = "(SELECT id FROM wallet_grants WHERE amount = 10)"
PAID_MORE = f"CASE WHEN grant_id = {GIVEN} THEN -4 ELSE 4 END"
MONEY = {
    "the order of grants": ([f"UPDATE wallet_grants SET priority = 90 WHERE id = {GIVEN}"], {"wallet_order"}),
    "who paid, everywhere": (
        [
            f"UPDATE wallet_draws SET posted = posted + {PAID_MORE} WHERE wallet_id = 'm'",
            f"UPDATE wallet_transfers SET amount = amount + {PAID_MORE} WHERE wallet_id = 'm' AND kind = 'used'",
            f"UPDATE invoice_prepaid SET amount = amount + {PAID_MORE}",
            f"UPDATE wallet_grants SET posted = posted + {PAID_MORE.replace('grant_id', 'id')} WHERE wallet_id = 'm'",
        ],
        {"wallet_order"},
    ),
    "which grant paid": (
        [f"UPDATE invoice_prepaid SET amount = amount + CASE WHEN grant_id = {GIVEN} THEN -4 ELSE 4 END"],
        {"prepaid_grant"},
    ),
    "what an invoice says in all": (
        ["UPDATE invoices SET prepaid_applied = prepaid_applied - 1, status = 'finalized'"],
        {"prepaid_applied"},
    ),
    "more than is charged": (
        [
            "UPDATE invoice_prepaid SET amount = amount + 7",
            "UPDATE invoices SET prepaid_applied = prepaid_applied + 14",
        ],
        {"prepaid_due", "prepaid_grant", "credit_entries"},
    ),
}


@pytest.mark.parametrize("name", MONEY)
def test_what_was_spoilt_in_money_is_found(paid: House, name: str) -> None:
    statements, expected = MONEY[name]
    assert spoil(paid, *statements) == expected


def test_a_refund_of_which_no_act_by_hand_tells_names_its_grant(billed: House) -> None:
    kinds = spoil(
        billed, "UPDATE audit_log SET detail = jsonb_set(detail, '{amount}', '\"2\"') WHERE detail ? 'amount'"
    )
    assert "wallet_by_hand" in kinds
