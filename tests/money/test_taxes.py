"""Tax on invoices: reckoned when they become final, by the rules and rates of that moment, and never as a guess."""

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.conftest import Clock
from tests.money.books import check_everything
from tests.money.house import day
from tests.money.taxed import at, buyer, rate, sell, taxed
from tests.support.billing import bill
from usage_billing.core.errors import Conflict
from usage_billing.db.session import read_only
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.reports.doctor.finding import WARN
from usage_billing.reports.doctor.taxes import check_taxes
from usage_billing.reports.verify.books import find_differences


def lines(one: dict[str, Any]) -> list[tuple[str, ...]]:
    return [tuple(line[name] for name in ("category", "rate", "base", "amount")) for line in one["taxes"]]


def test_what_is_seen_before_is_what_becomes_final(engine: Engine, admin: FlaskClient, clock: Clock) -> None:
    house = taxed(engine)
    house.use(1003, at=day(3))
    with read_only(engine) as session:
        found = upcoming(session, "s", now=day(4))
        assert found is not None
        ahead, ahead_items = found
    assert (ahead.total, ahead.tax, ahead.amount_due) == (Decimal("110.30"), Decimal("19.76"), Decimal("130.06"))
    assert sorted((item.tax_category, item.tax_rate) for item in ahead_items) == [("S", 7), ("S", 19)]
    bill(engine, day(1, month=2))
    invoice = house.ids()[0]
    url = f"/api/invoices/{invoice}"
    draft = admin.get(url).json
    assert draft["status"] == "draft"
    rehearsed = house.bill(day(9, month=2), dry_run=True)
    run = house.bill(day(9, month=2))
    assert run.digest == rehearsed.digest
    final = admin.get(url).json
    assert lines(final) == [("S", "19", "100.30", "19.06"), ("S", "7", "10.00", "0.70")]
    assert (final["total"], final["totalWithTax"], final["amountDue"]) == ("110.30", "130.06", "130.06")
    for name in ("taxes", "totalWithTax", "amountDue"):
        assert draft[name] == final[name]
    for shown in (draft, final, {"items": admin.get(f"{url}/items").json["data"]}):
        assert {(item["taxCategory"], item["taxRate"], item["taxCountry"]) for item in shown["items"]} == {
            ("S", "19", "DE"),
            ("S", "7", "DE"),
        }
    paid = admin.post(f"{url}/pay", json={"amount": "110.30"})
    assert (paid.status_code, paid.json["code"]) == (409, "amount_differs")
    assert admin.post(f"{url}/pay", json={"amount": "130.06"}).json["amountDue"] == "0.00"


def test_a_correction_goes_by_how_it_was_taxed_and_gives_its_tax_back(engine: Engine) -> None:
    house = taxed(engine)
    first = house.use(1000, at=day(3))
    house.bill(day(9, month=2))
    rate(engine, "20", since="2026-02-01")
    buyer(engine, address=at("FR"), tax_id="FR40303265045")
    house.void(first, at=day(10, month=2))
    house.bill(day(11, month=2))
    house.bill(day(9, month=3))
    second = house.ids()[1]
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM invoices WHERE id = :id"), {"id": second}).one()
    # The fee of February is reverse charged; what January gives back has the rate of January's invoice.
    assert [(line["category"], line["rate"], line["base"], line["amount"]) for line in row.taxes] == [
        ("S", "19", "-100.00", "-19.00"),
        ("AE", "0", "10.00", "0.00"),
    ]
    assert (row.total, row.tax, house.balance()) == (Decimal(-90), Decimal(-19), Decimal(109))
    house.use(2000, at=day(11, month=3))
    house.bill(day(9, month=4))
    third = house.ids()[2]
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM invoices WHERE id = :id"), {"id": third}).one()
    assert (row.total, row.tax, row.credit_applied) == (Decimal(210), Decimal(0), Decimal(109))
    house.by_hand("void", third)
    assert house.balance() == Decimal(109)
    check_everything(engine)


def test_credit_pays_the_total_with_tax_whole_and_a_void_invoice_gives_it_back(engine: Engine) -> None:
    house = taxed(engine)
    first = house.use(1000, at=day(3))
    house.bill(day(9, month=2))
    house.void(first, at=day(10, month=2))
    house.bill(day(11, month=2))
    house.bill(day(9, month=3))  # gives 108.30 back
    assert house.balance() == Decimal("108.30")
    house.bill(day(9, month=4))  # 10.00 and 0.70, from credit
    third = house.ids()[2]
    assert house.balance() == Decimal("108.30") - Decimal("10.70")
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM invoices WHERE id = :id"), {"id": third}).one()
    assert (row.status, row.credit_applied, row.due_at) == ("paid", Decimal("10.70"), None)
    house.by_hand("void", third)
    assert house.balance() == Decimal("108.30")
    check_everything(engine)


def test_an_invoice_whose_tax_is_not_known_waits_and_says_why(engine: Engine, admin: FlaskClient) -> None:
    house = taxed(engine)
    buyer(engine, address=None)
    house.use(10, at=day(3))
    for dry in (True, False):
        run = bill(engine, day(9, month=2), dry_run=dry)
        assert [(one["subscriptionId"], one["code"]) for one in run.warnings] == [("s", "tax_pending")]
        assert "no address" in run.warnings[0]["detail"]
        assert run.finalized == 0
    invoice = house.ids()[0]
    url = f"/api/invoices/{invoice}"
    waiting = admin.get(url).json
    assert (waiting["status"], "taxes" in waiting, "totalWithTax" in waiting) == ("draft", False, False)
    assert "no address" in waiting["taxPending"]
    refused = admin.post(f"{url}/finalize")
    assert (refused.status_code, refused.json["code"]) == (409, "tax_pending")
    with pytest.raises(Conflict, match="no address"):
        house.by_hand("finalize", invoice)
    with read_only(engine) as session:
        (finding,) = check_taxes(session, now=day(9, month=2))
    assert (finding.state, finding.code) == (WARN, "tax_pending")
    assert "1 (ann): the customer has no address" in finding.message
    check_everything(engine)

    buyer(engine, address=at("FR"))
    (warning,) = bill(engine, day(10, month=2)).warnings
    assert warning["detail"] == "no rate of FR for S holds on 2026-01-31"
    rate(engine, "20", country="FR")
    rate(engine, "5.5", country="FR", category="AA", since="2026-02-01")
    assert bill(engine, day(10, month=2)).warnings
    rate(engine, "5.5", country="FR", category="AA", since="2026-01-31")
    house.bill(day(10, month=2))
    final = admin.get(url).json
    assert lines(final) == [("S", "20", "1.00", "0.20"), ("S", "5.5", "10.00", "0.55")]
    assert {line["country"] for line in final["taxes"]} == {"FR"}
    with read_only(engine) as session:
        assert [one.state for one in check_taxes(session, now=day(10, month=2))] == ["ok"]


def test_doctor_says_how_far_it_looked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    house = taxed(engine)
    for name in ("b", "c"):
        house.subscribe(name)
    bill(engine, day(1, month=2))
    for most, told in ((1000, "the tax of every invoice"), (2, "the tax of the 2 invoices that are due the longest")):
        monkeypatch.setattr("usage_billing.reports.doctor.taxes._MOST", most)
        with read_only(engine) as session:
            (finding,) = check_taxes(session, now=day(9, month=2))
        assert finding.message.startswith(told)


def test_the_rate_of_the_last_day_holds_in_the_zone_of_the_subscription(engine: Engine, admin: FlaskClient) -> None:
    house = taxed(engine)
    house.subscribe("b", timezone="America/New_York")
    rate(engine, "16", since="2026-02-01")
    rate(engine, "5", category="AA", since="2026-02-01")
    house.bill(day(9, month=2))
    for name in ("s", "b"):
        invoice = house.ids(name)[0]
        assert lines(admin.get(f"/api/invoices/{invoice}").json) == [("S", "7", "10.00", "0.70")]


def test_what_was_charged_without_tax_is_corrected_without(engine: Engine) -> None:
    house = taxed(engine)
    sell(engine, "none")
    first = house.use(1000, at=day(3))
    house.bill(day(9, month=2))
    sell(engine)
    house.void(first, at=day(10, month=2))
    house.bill(day(11, month=2))
    house.bill(day(9, month=3))
    with engine.connect() as connection:
        before, after = connection.execute(text("SELECT total, tax, taxes FROM invoices ORDER BY number LIMIT 2")).all()
    assert (before.tax, before.taxes) == (0, None)
    assert (after.total, after.tax) == (Decimal(-90), Decimal("0.70"))
    assert house.balance() == Decimal("89.30")


def test_what_was_charged_with_tax_is_corrected_with_it_when_rules_no_longer_hold(engine: Engine) -> None:
    house = taxed(engine)
    first, second = house.use(600, at=day(3)), house.use(400, at=day(3))
    house.bill(day(9, month=2))
    sell(engine, "none")
    house.void(first, at=day(10, month=2))
    house.bill(day(11, month=2))
    house.bill(day(9, month=3))
    sell(engine)
    house.void(second, at=day(10, month=3))
    house.bill(day(11, month=3))
    house.bill(day(9, month=4))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT total, tax FROM invoices WHERE number IS NOT NULL ORDER BY number"))
        # The fee of February has no tax, that of March has 0.70.
        assert found.all() == [
            (Decimal(110), Decimal("19.70")),
            (Decimal(-50), Decimal("-11.40")),
            (Decimal(-30), Decimal("-6.90")),
        ]
    assert house.balance() == Decimal("98.30")
    check_everything(engine)


def test_what_came_to_nothing_at_first_is_taxed_when_it_is_charged(engine: Engine) -> None:
    house = taxed(engine)
    house.use("0.04", at=day(3))
    house.bill(day(9, month=2))  # beside the fee, 0.00 for 0.04 calls
    house.use(1000, at=day(4))
    house.bill(day(10, month=2))
    house.bill(day(9, month=3))
    with engine.connect() as connection:
        first, second = connection.execute(text("SELECT total, tax FROM invoices ORDER BY number LIMIT 2")).all()
    assert (first.total, first.tax) == (Decimal(10), Decimal("0.70"))
    assert (second.total, second.tax) == (Decimal(110), Decimal("19.70"))
    check_everything(engine)


@pytest.mark.parametrize(("currency", "price", "tax"), [("JPY", "11", "210"), ("KWD", "1.234", "23.446")])
def test_tax_has_the_places_of_its_currency(
    engine: Engine, admin: FlaskClient, currency: str, price: str, tax: str
) -> None:
    house = taxed(engine, currency=currency, fee="0")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": price}, effective="start", reprice=True)
    house.use(100, at=day(3))
    house.use("0.5" if currency == "JPY" else "0", at=day(4)) if currency == "JPY" else None
    house.bill(day(9, month=2))
    invoice = house.ids()[0]
    assert admin.get(f"/api/invoices/{invoice}").json["taxes"][0]["amount"] == tax


WRONG = [
    ("UPDATE invoices SET tax = tax + 0.01", "tax_total"),
    ("UPDATE invoices SET taxes = jsonb_set(taxes, '{0,amount}', '\"19.05\"')", "tax_lines"),
    ("UPDATE usage_invoice_items SET tax_rate = 18 WHERE tax_rate = 19", "item_tax"),
    ("UPDATE usage_invoice_items SET tax_country = 'AT'", "item_tax"),
    ("UPDATE usage_invoice_items SET tax_category = NULL, tax_rate = NULL WHERE tax_rate = 7", "tax_lines"),
]


WRONG_PUT_RIGHT = [
    # All of it as if February's rate held: 20.00 come back.
    """UPDATE usage_invoice_items SET tax_rate = 20 WHERE kind = 'adjustment';
    UPDATE invoices SET tax = -19.3, taxes = jsonb_set(jsonb_set(taxes, '{0,rate}', '"20"'), '{0,amount}', '"-20.00"')
    WHERE total < 0""",
    # Nothing of it.
    """UPDATE usage_invoice_items SET tax_category = NULL, tax_country = NULL, tax_rate = NULL
    WHERE kind = 'adjustment';
    UPDATE invoices SET tax = 0.7, taxes = taxes - 0 WHERE total < 0""",
    # A fee.
    """UPDATE usage_invoice_items SET tax_category = NULL, tax_country = NULL, tax_rate = NULL
    WHERE kind = 'fee' AND period_start >= '2026-02-01';
    UPDATE invoices SET tax = -19, taxes = taxes - 1 WHERE total < 0""",
]


def test_verify_finds_tax_of_a_correction_that_is_wrong_and_what_was_left_out(engine: Engine) -> None:
    house = taxed(engine)
    first = house.use(1000, at=day(3))
    house.bill(day(9, month=2))
    rate(engine, "20", since="2026-02-01")
    house.void(first, at=day(10, month=2))
    house.bill(day(11, month=2))
    house.bill(day(9, month=3))
    assert wrong(engine, "SELECT 1") == set()
    for change in WRONG_PUT_RIGHT:
        assert wrong(engine, change) == {"item_tax"}, change


def wrong(engine: Engine, change: str) -> set[str]:
    """What verify finds about tax if the books are changed so."""
    with engine.connect() as connection, Session(connection, join_transaction_mode="create_savepoint") as session:
        for table in ("invoices", "usage_invoice_items"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for one in change.split(";"):
            session.execute(text(one.replace(":", r"\:")))
        found = {one.kind for one in find_differences(session) if "tax" in one.kind}
        session.rollback()
        return found


def test_verify_finds_tax_that_is_wrong(engine: Engine) -> None:
    house = taxed(engine)
    house.use(1003, at=day(3))
    house.bill(day(9, month=2))
    with engine.connect() as connection:
        for change, kind in WRONG:
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                assert not list(find_differences(session))
                for table in ("invoices", "usage_invoice_items"):
                    session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
                session.execute(text(change))
                assert kind in {one.kind for one in find_differences(session)}, change
                session.rollback()
