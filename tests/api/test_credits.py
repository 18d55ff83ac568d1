"""Credit by hand: given once, for a reason, and used by the next invoice."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import As
from tests.integration.conftest import Cli, cli
from tests.support.books import rows, scalars
from tests.support.callers import Keys
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.verify.credit import credit_differences

__all__ = ["cli"]
pytestmark = pytest.mark.usefixtures("world")
PATH = "/api/customers/user123/credits"
CREDIT = {"amount": "25.00", "currency": "USD", "reason": "two hours without service"}


def test_it_is_in_hand_with_its_reason_and_in_the_audit_log(admin: FlaskClient, engine: Engine) -> None:
    given = admin.post(PATH, json=CREDIT)
    assert (given.status_code, given.json["balance"]) == (201, "25.00")
    assert given.headers["Location"] == PATH
    assert admin.post(PATH, json=CREDIT).json["balance"] == "50.00"  # without a key it is another one
    shown = admin.get(PATH).json
    assert shown["balances"] == [{"currency": "USD", "balance": "50.00"}]
    entry = shown["entries"]["data"][-1]
    assert entry.pop("createdAt")
    assert entry == {
        "id": given.json["id"], "currency": "USD", "kind": "by_hand", "amount": "25.00", "invoiceId": None,
        "reason": CREDIT["reason"],
    }  # fmt: skip
    (first, _) = rows(engine, "SELECT subject, detail FROM audit_log WHERE action = 'credit.given' ORDER BY id")
    assert (first[0], first[1]["amount"], first[1]["reason"]) == ("customer:user123", "25.00", CREDIT["reason"])
    assert '"by_hand"' not in admin.get("/api/exports/credits").text
    assert admin.get("/api/exports/credits").text.count("by_hand") == 2


def test_the_same_key_gives_it_once(admin: FlaskClient, engine: Engine) -> None:
    keyed = CREDIT | {"idempotencyKey": "ticket-4711"}
    first = admin.post(PATH, json=keyed)
    again = admin.post(PATH, json=keyed)
    assert (again.status_code, again.json) == (200, first.json)
    for other in ({"amount": "26"}, {"currency": "EUR"}, {"reason": "other"}):
        refused = admin.post(PATH, json=keyed | other)
        assert (refused.status_code, refused.json["code"]) == (409, "conflicting_credit")
    assert scalars(engine, "SELECT amount FROM credit_entries") == [25]
    assert rows(engine, "SELECT currency, balance FROM credit_balances") == [("USD", 25)]
    assert scalars(engine, "SELECT count(*) FROM audit_log WHERE action = 'credit.given'") == [1]


def test_twenty_clients_with_one_key_give_it_once(app: Flask, call_as: As, keys: Keys, engine: Engine) -> None:
    clients = [call_as(keys.admin) for _ in range(20)]
    keyed = CREDIT | {"idempotencyKey": "one"}
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.post(PATH, json=keyed), clients))
    done = [answer for answer in answers if answer.status_code in (200, 201)]
    assert sorted(answer.status_code for answer in done)[-1] == 201
    assert [answer.status_code for answer in done].count(201) == 1
    assert {answer.json["id"] for answer in done} == {done[0].json["id"]}
    assert {answer.status_code for answer in answers} <= {200, 201, 503}  # a pool of connections has its bound
    assert scalars(engine, "SELECT balance FROM credit_balances") == [25]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"amount": "0"}, "/amount"),
        ({"amount": "-1"}, "/amount"),
        ({"amount": "NaN"}, "/amount"),
        ({"amount": "0.001"}, "/amount"),
        ({"amount": "1", "currency": "USX"}, "/currency"),
        ({"amount": "0.5", "currency": "JPY"}, "/amount"),
        ({"reason": ""}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"idempotencyKey": ""}, "/idempotencyKey"),
        ({"expiresAt": "2027-01-01T00:00:00Z"}, "/expiresAt"),
    ],
)
def test_what_is_no_credit_is_refused(admin: FlaskClient, engine: Engine, wrong: dict[str, Any], pointer: str) -> None:
    refused = admin.post(PATH, json=CREDIT | wrong)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    assert scalars(engine, "SELECT count(*) FROM credit_balances") == [0]


def test_of_a_customer_that_there_is(admin: FlaskClient) -> None:
    assert admin.post("/api/customers/stranger/credits", json=CREDIT).status_code == 404


def test_verify_sees_credit_that_came_from_nowhere(admin: FlaskClient, engine: Engine) -> None:
    admin.post(PATH, json=CREDIT)
    with read_only(engine) as session:
        assert list(credit_differences(session, None)) == []
    with transaction(engine) as session:
        session.execute(text("UPDATE credit_entries SET amount = 26"))
    with read_only(engine) as session:
        assert [found.kind for found in credit_differences(session, None)] == ["credit_balance"]


def test_at_a_terminal(cli: Cli, engine: Engine) -> None:
    give = ("credits", "give", "user123", "--amount", "7.50", "--currency", "USD", "--reason", "sorry", "--key", "k")
    assert cli(*give, "--json").json["balance"] == "7.50"
    assert cli(*give, "--json").json["balance"] == "7.50"
    shown = cli("credits", "show", "user123")
    assert "by_hand" in shown.out
    assert "sorry" in cli("credits", "show", "user123", "--wide").out
    for wrong in ("--amount=0", "--amount=0.001", "--currency=USX", "--reason="):
        refused = cli(*give, wrong)
        assert (refused.code, len(refused.err.strip().splitlines())) == (2, 1), refused.err
    assert cli(*give, "--amount", "8").code != 0
    assert scalars(engine, "SELECT balance FROM credit_balances") == [7.5]
