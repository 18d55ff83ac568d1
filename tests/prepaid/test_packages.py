"""Packages: what is sold, who bought it, and what invoices charge for it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_killed import killed_at
from tests.support.billing import GRACE
from tests.support.books import rows, scalars
from tests.support.callers import Keys
from usage_billing.db import clock as database_clock
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
from usage_billing.reports.verify.purchases import purchase_differences

__all__ = ["cli"]
DAY = timedelta(days=1)
BUY = "/api/packages/calls-100/purchases"
PACKAGE: dict[str, Any] = {
    "id": "calls-100", "name": "100 calls", "unit": {"unitName": "calls", "usageTypes": ["calls"]}, "currency": "USD",
    "amount": "100", "price": "150.00", "validity": {"interval": "month", "intervalCount": 3}, "priority": 20,
}  # fmt: skip
NEXT = {"userId": "ann", "subscriptionId": "s", "charge": "next_invoice", "idempotencyKey": "order-1"}
PAID = {"userId": "ann", "charge": "paid", "idempotencyKey": "order-1"}


@pytest.fixture
def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The house, in which calls are sold by the hundred; its clock is the database's."""
    monkeypatch.setattr(database_clock, "agreed_now", lambda _session, here: here)
    house.ok("POST", "/api/packages", PACKAGE)
    return house


def test_a_package_and_its_versions(shop: House) -> None:
    shown = shop.ok("GET", "/api/packages/calls-100")
    assert {name: shown[name] for name in PACKAGE} == PACKAGE
    assert (shown["version"], shown["taxCategory"], shown["paymentDays"]) == (1, "S", 30)
    assert shop.ok("GET", "/api/packages")["data"] == [shown]
    later = (shop.clock.now + 2 * DAY).isoformat()
    dearer = {"amount": "100", "price": "160.00", "effectiveFrom": later}
    assert shop.ok("POST", "/api/packages/calls-100/versions", dearer)["version"] == 2
    assert shop.refused("/api/packages/calls-100/versions", dearer) == (422, "/effectiveFrom")
    assert shop.refused("/api/packages/calls-100/versions", dearer | {"effectiveFrom": "2026-01-01T00:00:00Z"}) == (
        422,
        "/effectiveFrom",
    )
    before = shop.ok("POST", BUY, PAID)
    shop.clock.now += 3 * DAY
    after = shop.ok("POST", BUY, PAID | {"idempotencyKey": "order-2", "count": 2})
    assert [(one["version"], one["price"], one["amount"]) for one in (before, after)] == [
        (1, "150.00", "100"),
        (2, "320.00", "200"),
    ]
    assert [one["price"] for one in shop.ok("GET", "/api/packages/calls-100/versions")["data"]] == ["150.00", "160.00"]
    assert shop.ok("GET", "/api/packages/calls-100")["version"] == 2
    shop.verified()


def test_a_purchase_is_paid_for_by_the_next_invoice(shop: House) -> None:
    made = shop.ok("POST", BUY, NEXT)
    assert (made["walletId"], made["invoiceId"], made["price"]) == ("w", None, "150.00")
    grant = shop.ok("GET", f"/api/grants/{made['grantId']}")
    assert {name: grant[name] for name in ("amount", "cost", "costCurrency", "expiresAt", "priority", "status")} == {
        "amount": "100", "cost": "150.00", "costCurrency": "USD", "expiresAt": "2026-09-11T00:00:00Z",
        "priority": 20, "status": "active",
    }  # fmt: skip
    assert grant["subscriptionIds"] == ["s"]  # the wallet is for all subscriptions, the purchase for this one
    shop.use(30, at=shop.clock.now)
    coming = shop.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert [(one["kind"], one["amount"], one["description"]) for one in coming["items"] if one["amount"] != "0.00"] == [
        ("purchase", "150.00", "1 x 100 calls, 11 June 2026")
    ]
    shop.bill(JULY + DAY)
    shop.bill(JULY + DAY)
    ((status, total, _),) = shop.invoices()
    assert (status, total) == ("finalized", "150.00")
    assert shop.wallet() == {"granted": "100", "posted": "20", "left": "80"}
    invoice = shop.ok("GET", "/api/invoices?subscriptionId=s")["data"][0]
    assert shop.ok("GET", f"/api/purchases/{made['id']}")["invoiceId"] == invoice["id"]
    item = next(one for one in invoice["items"] if one["kind"] == "purchase")
    assert shop.ok("GET", f"/api/invoices/{invoice['id']}/items/{item['id']}/explain")
    assert shop.admin.get(f"/api/invoices/{invoice['id']}/document?format=html").status_code == 200
    assert "100 calls" in shop.admin.get(f"/api/invoices/{invoice['id']}/document?format=csv").text
    shop.verified()
    shop.ok("POST", f"/api/invoices/{invoice['id']}/void")
    shop.bill(JULY + 2 * DAY)
    assert [(one[0], one[1]) for one in shop.invoices()] == [("void", "150.00"), ("finalized", "150.00")]
    shop.verified()


def test_what_is_bought_in_error_is_not_charged_or_given_back(shop: House) -> None:
    shop.use(15, at=JUNE + DAY)
    first = shop.ok("POST", BUY, NEXT)
    shop.bill(JUNE + 20 * DAY)
    assert [one[1] for one in shop.invoices()] == ["160.00"]  # five calls were used before it was bought
    shop.ok("POST", f"/api/grants/{first['grantId']}/void")
    shop.bill(JUNE + 21 * DAY)
    assert [one[1] for one in shop.invoices()] == ["10.00"]
    second = shop.ok("POST", BUY, NEXT | {"idempotencyKey": "order-2"})
    shop.bill(JULY + DAY)
    assert [one[:2] for one in shop.invoices()] == [("finalized", "160.00")]
    shop.ok("POST", f"/api/grants/{second['grantId']}/void")
    shop.bill(JULY + 40 * DAY)
    assert sum(Decimal(one[1]) for one in shop.invoices()) == 10
    shop.verified()


def test_a_purchase_that_is_charged_now_has_an_invoice_of_its_own(shop: House) -> None:
    made = shop.ok("POST", BUY, PAID | {"charge": "now", "count": 3, "reference": "PO 12"})
    invoice = shop.ok("GET", f"/api/invoices/{made['invoiceId']}")
    assert (invoice["kind"], invoice["status"], invoice["total"], invoice["subscriptionId"]) == (
        "purchase",
        "finalized",
        "450.00",
        None,
    )
    assert invoice["dueAt"] == "2026-07-11T00:00:00Z"
    assert [(one["kind"], one["quantity"]) for one in invoice["items"]] == [("purchase", "3")]
    assert [one["id"] for one in shop.ok("GET", "/api/invoices?userId=ann")["data"]] == [invoice["id"]]
    for form in ("html", "csv"):
        assert shop.admin.get(f"/api/invoices/{invoice['id']}/document?format={form}").status_code == 200
    again = shop.ok("POST", BUY, PAID | {"charge": "now", "count": 3, "reference": "PO 12"})
    assert again == made
    shop.ok("POST", BUY, PAID | {"charge": "now", "idempotencyKey": "order-2"})  # at the same instant
    shop.verified()
    assert shop.refused(f"/api/invoices/{invoice['id']}/void") == (409, "purchase_stands")
    shop.ok("POST", f"/api/grants/{made['grantId']}/void")
    shop.ok("POST", f"/api/invoices/{invoice['id']}/void")
    shop.bill(JULY + DAY)
    assert scalars(shop.engine, "SELECT sum(total) FROM invoices WHERE status <> 'void'") == [150]
    shop.verified()


def test_it_is_taxed_when_it_is_sold(shop: House) -> None:
    seller = {"legalName": "S", "address": {"line1": "x", "postalCode": "1", "city": "B", "country": "DE"}}
    rules = {"taxId": "DE136695976", "taxes": {"mode": "rules"}}
    shop.ok("PUT", "/api/seller", seller | rules)
    shop.ok("POST", "/api/tax-rates", {"country": "DE", "category": "AA", "rate": "7", "effectiveFrom": "2021-01-01"})
    shop.ok("POST", "/api/packages", PACKAGE | {"id": "low", "taxCategory": "AA"})
    now = PAID | {"charge": "now"}
    assert shop.refused("/api/packages/low/purchases", now) == (409, "tax_pending")  # of the buyer no country is known
    assert scalars(shop.engine, "SELECT count(*) FROM wallet_grants") == [0]
    assert scalars(shop.engine, "SELECT count(*) FROM invoices") == [0]
    address = {"line1": "y", "postalCode": "2", "city": "K", "country": "DE"}
    assert shop.admin.patch("/api/customers/ann", json={"address": address}).status_code == 200
    made = shop.ok("POST", "/api/packages/low/purchases", now)
    invoice = shop.ok("GET", f"/api/invoices/{made['invoiceId']}")
    assert (invoice["totalWithTax"], invoice["items"][0]["taxRate"]) == ("160.50", "7")
    shop.ok("POST", "/api/packages/low/purchases", NEXT | {"idempotencyKey": "order-2"})
    coming = shop.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert coming["totalWithTax"] == "160.50"
    shop.bill(JULY + DAY)
    assert shop.ok("GET", "/api/invoices?subscriptionId=s")["data"][0]["totalWithTax"] == "160.50"
    shop.verified()


def test_the_wallet_is_found_or_made(shop: House) -> None:
    shop.ok("POST", "/api/usage-types", {"id": "texts", "unitName": "texts"})
    texts = PACKAGE | {"id": "texts", "unit": {"unitName": "texts", "usageTypes": ["texts"]}, "validity": None}
    shop.ok("POST", "/api/packages", texts)
    path = "/api/packages/texts/purchases"
    first = shop.ok("POST", path, PAID)
    wallet = shop.ok("GET", f"/api/wallets/{first['walletId']}")
    assert (wallet["unit"], wallet["subscriptionId"], wallet["left"]) == (texts["unit"], None, "100")
    second = shop.ok("POST", path, PAID | {"idempotencyKey": "order-2"})
    assert second["walletId"] == first["walletId"]
    assert shop.ok("GET", f"/api/grants/{second['grantId']}")["expiresAt"] is None
    for wrong in ("w", "none"):
        assert shop.refused(path, PAID | {"idempotencyKey": "order-3", "walletId": wrong}) == (422, "/walletId")
    both = PACKAGE | {"id": "both", "unit": {"unitName": "calls", "usageTypes": ["calls", "other"]}}
    shop.ok("POST", "/api/usage-types", {"id": "other", "unitName": "calls"})
    shop.ok("POST", "/api/packages", both)
    assert shop.refused("/api/packages/both/purchases", PAID | {"idempotencyKey": "order-4"}) == (
        409,
        "overlapping_wallet",
    )
    shop.verified()


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"amount": "0"}, (422, "/amount")),
        ({"amount": "NaN"}, (422, "/amount")),
        ({"price": "0"}, (422, "/price")),
        ({"price": "1.005"}, (422, "/price")),
        ({"currency": "USX"}, (422, "/currency")),
        ({"priority": 101}, (422, "/priority")),
        ({"validity": {"interval": "hour"}}, (422, "/validity/interval")),
        ({"validity": {"interval": "day", "intervalCount": 0}}, (422, "/validity/intervalCount")),
        ({"unit": {"unitName": "texts", "usageTypes": ["calls"]}}, (422, "/unit/usageTypes/0")),
        ({"unit": {"unitName": "calls", "usageTypes": []}}, (422, "/unit/usageTypes")),
        ({"taxCategory": "X"}, (422, "/taxCategory")),
        ({"id": "calls-100"}, (409, "already_exists")),
        ({"rollover": {}}, (422, "/rollover")),
    ],
)
def test_what_is_no_package_is_refused(shop: House, wrong: dict[str, Any], answer: tuple[int, str]) -> None:
    assert shop.refused("/api/packages", PACKAGE | {"id": "more"} | wrong) == answer
    assert scalars(shop.engine, "SELECT id FROM packages") == ["calls-100"]


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"userId": "none"}, (404, "not_found")),
        ({"subscriptionId": "none"}, (404, "not_found")),
        ({"charge": "later"}, (422, "/charge")),
        ({"count": 0}, (422, "/count")),
        ({"count": 1.5}, (422, "/count")),
        ({"charge": "next_invoice"}, (422, "/subscriptionId")),
        ({"idempotencyKey": None}, (422, "/idempotencyKey")),
        ({"pendingUntilPaid": True}, (422, "/pendingUntilPaid")),
    ],
)
def test_what_is_no_purchase_is_refused(shop: House, wrong: dict[str, Any], answer: tuple[int, str]) -> None:
    assert shop.refused(BUY, PAID | wrong) == answer
    assert shop.refused("/api/packages/none/purchases", PAID) == (404, "not_found")
    assert scalars(shop.engine, "SELECT count(*) FROM purchases") == [0]
    assert scalars(shop.engine, "SELECT count(*) FROM wallet_grants") == [0]


def test_without_a_next_invoice_it_is_not_charged_there(shop: House) -> None:
    euros = PACKAGE | {"id": "euros", "currency": "EUR"}
    shop.ok("POST", "/api/packages", euros)
    assert shop.refused("/api/packages/euros/purchases", NEXT) == (409, "no_invoice")
    alone = PAID | {"charge": "next_invoice", "idempotencyKey": "alone"}
    shop.ok("POST", "/api/subscriptions/t/cancel", {"at": shop.clock.now.isoformat()})
    made = shop.ok("POST", BUY, alone)
    assert made["subscriptionId"] == "s"
    more = {"id": "u", "userId": "ann", "planId": "p", "startedAt": JUNE.isoformat()}
    shop.ok("POST", "/api/subscriptions", more)
    assert shop.ok("POST", BUY, alone) == made  # by now several could charge it
    for name in "su":
        shop.ok("POST", f"/api/subscriptions/{name}/cancel", {"at": shop.clock.now.isoformat()})
    shop.clock.now += DAY
    assert shop.refused(BUY, NEXT) == (409, "no_invoice")
    assert shop.refused(BUY, PAID | {"charge": "next_invoice"}) == (409, "no_invoice")
    assert shop.ok("POST", BUY, PAID)


def test_the_same_key_buys_once(shop: House, app: Flask, call_as: As, keys: Keys) -> None:
    clients = [call_as(keys.admin) for _ in range(20)]
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.post(BUY, json=NEXT), clients))
    assert {answer.status_code for answer in answers} <= {200, 201, 503}  # a pool of connections has its bound
    assert [answer.status_code for answer in answers].count(201) == 1
    for other in ({"count": 2}, {"charge": "paid"}, {"reference": "r"}, {"subscriptionId": "t"}):
        assert shop.refused(BUY, NEXT | other) == (409, "conflicting_purchase")
    assert rows(shop.engine, "SELECT amount, to_charge FROM purchase_charges") == [(150, True)]
    assert scalars(shop.engine, "SELECT amount FROM wallet_grants") == [100]


def test_a_customer_reads_its_own_purchases(shop: House, call_as: As, make_token: MakeToken) -> None:
    made = shop.ok("POST", BUY, PAID)
    own, stranger = call_as(make_token("ann")), call_as(make_token("stranger"))
    for client, want in ((own, [made]), (stranger, [])):
        for path in ("/api/purchases", "/api/purchases?userId=ann"):
            listed: Any = client.get(path).json
            assert listed["data"] == want
    assert own.get(f"/api/purchases/{made['id']}").json == made
    assert stranger.get(f"/api/purchases/{made['id']}").status_code == 404
    assert own.post(BUY, json=PAID).status_code == 403


@pytest.mark.parametrize("charge", ["next_invoice", "now"])
def test_a_death_while_buying_changes_nothing(shop: House, tmp_path: Path, charge: str) -> None:
    new = NewPurchase(customer_id="ann", subscription_id="s", charge=charge, idempotency_key="order-1")

    def buy(engine: Engine) -> None:
        with transaction(engine) as session:
            buy_package(session, "calls-100", new, actor="test", now=shop.clock.now, grace=GRACE)

    killed_at("prepaid.bought", tmp_path, buy, shop)
    for table in ("purchases", "purchase_charges", "wallet_grants", "invoices", "invoice_numbers WHERE last > 0"):
        assert scalars(shop.engine, f"SELECT count(*) FROM {table}") == [0]
    shop.ok("POST", BUY, NEXT | {"charge": charge})
    shop.verified()


@pytest.mark.parametrize(
    ("wrong", "kinds"),
    [
        ("UPDATE package_versions SET price = 1", {"purchase_grant", "purchase_due"}),
        ("UPDATE purchases SET count = 2", {"purchase_grant", "purchase_due"}),
        ("UPDATE purchase_charges SET amount = 1", {"purchase_due", "purchase_charged"}),
        ("UPDATE purchase_charges SET to_charge = false", {"purchase_charged"}),
    ],
)
def test_verify_sees_what_is_wrong(shop: House, wrong: str, kinds: set[str]) -> None:
    shop.ok("POST", BUY, NEXT)
    if "amount" in wrong:
        shop.bill(JUNE + 20 * DAY)
    shop.verified()
    with transaction(shop.engine) as session:
        session.execute(text(wrong))
    with read_only(shop.engine) as session:
        assert {found.kind for found in purchase_differences(session, None)} == kinds


def test_at_a_terminal(shop: House, cli: Cli) -> None:
    unit = ("--unit", "calls", "--usage-type", "calls", "--currency", "USD", "--amount", "10", "--price", "9")
    made = cli("packages", "create", "ten", "--name", "Ten", *unit, "--validity", "1 year", "--json").json
    assert made["validity"] == {"interval": "year", "intervalCount": 1}
    assert cli("packages", "create", "ten", "--name", "Ten", *unit).code == 2
    assert cli("packages", "create", "x", "--name", "X", *unit, "--validity", "soon").code == 2
    assert cli("packages", "version", "ten", "--amount", "10", "--price", "8", "--json").json["version"] == 2
    assert cli("packages", "show", "ten", "--json").json["price"] == "8.00"
    buy = ("packages", "buy", "ten", "--customer", "ann", "--charge", "paid", "--key", "k", "--json")
    assert cli(*buy).json["id"] == cli(*buy).json["id"]
    assert cli("packages", "buy", "none", "--customer", "ann", "--charge", "paid", "--key", "k").code == 3
    for listed in (("packages", "list"), ("packages", "purchases"), ("packages", "show", "ten")):
        assert max(map(len, cli(*listed).out.splitlines())) <= 80
    assert [one["packageId"] for one in cli("packages", "purchases", "--json").json] == ["ten"]
