"""What becomes of a grant by hand: it waits to be paid, is activated, refunded, or taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_killed import killed_at
from tests.support.billing import GRACE
from tests.support.books import rows, scalars
from tests.support.callers import Keys
from usage_billing.access.principal import USAGE_WRITE, WALLETS_WRITE
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.prepaid.grant_life import Refund, activate_grant, refund_grant
from usage_billing.prepaid.ledger import cost_moved
from usage_billing.reports.verify.wallets import wallet_differences

__all__ = ["cli"]
DAY = timedelta(days=1)
GRANTS = "/api/wallets/w/grants"
BOUGHT = {"amount": "30", "cost": "10.00", "idempotencyKey": "order-1"}
PENDING = BOUGHT | {"pendingUntilPaid": True}
NONE = "00000000-0000-7000-8000-000000000000"


def facts(house: House, topic: str) -> list[Any]:
    return scalars(house.engine, f"SELECT payload FROM outbox_messages WHERE topic = '{topic}' ORDER BY id")


def test_a_pending_grant_pays_once_it_is_paid(house: House) -> None:
    house.use(15, at=JUNE + DAY)
    made = house.ok("POST", GRANTS, PENDING)
    assert (made["status"], made["left"], made["activatedAt"]) == ("pending", "30", None)
    assert house.ok("GET", "/api/wallets/w")["pending"] == "30"
    assert house.wallet() == {}
    assert house.ok("GET", "/api/wallets/w/entries")["data"] == []
    assert facts(house, "wallet.grant_activated") == []
    house.verified()
    house.clock.now += 2 * DAY
    paid = house.ok("POST", f"/api/grants/{made['id']}/activate")
    assert (paid["status"], paid["effectiveAt"]) == ("active", "2026-06-13T00:00:00Z")
    assert house.wallet() == {"granted": "30", "left": "30"}  # what was used before it was paid stays charged
    house.use(4, at=house.clock.now)
    assert house.wallet() == {"granted": "30", "provisional": "4", "left": "26"}
    assert house.refused(f"/api/grants/{made['id']}/activate") == (409, "not_pending")
    assert house.ok("POST", GRANTS, PENDING)["id"] == made["id"]
    assert house.refused(GRANTS, BOUGHT) == (409, "conflicting_grant")
    (told,) = facts(house, "wallet.grant_activated")
    assert (told["userId"], told["walletId"], told["grant"]["id"]) == ("ann", "w", made["id"])
    house.verified()


def test_a_start_of_its_own_stays(house: House) -> None:
    house.use(15, at=JUNE + DAY)
    until = (JUNE + 20 * DAY).isoformat()
    made = house.ok("POST", GRANTS, PENDING | {"effectiveAt": JUNE.isoformat(), "expiresAt": until})
    house.clock.now = JUNE + 25 * DAY  # paid after it is over: it pays for what occurred while it held
    assert house.close() == 0
    paid = house.ok("POST", f"/api/grants/{made['id']}/activate")
    assert (paid["effectiveAt"], paid["provisional"]) == ("2026-06-01T00:00:00Z", "5")
    house.clock.now += GRACE
    assert house.close() == 1
    assert house.wallet() == {"granted": "30", "posted": "5", "expired": "25"}
    house.verified()


def test_a_pending_grant_divides_no_usage(house: House) -> None:
    house.grant(5)
    made = house.ok("POST", GRANTS, PENDING | {"effectiveAt": (JUNE + 5 * DAY).isoformat()})
    house.use(20, at=JUNE + DAY)
    house.bill(JULY + DAY)
    assert house.refused(f"/api/grants/{made['id']}/activate") == (409, "cuts_posted")
    assert house.ok("GET", f"/api/grants/{made['id']}")["status"] == "pending"
    house.verified()
    gone = house.ok("POST", f"/api/grants/{made['id']}/void")
    assert (gone["status"], gone["takenBack"], gone["left"]) == ("void", "30", "0")
    assert house.refused(f"/api/grants/{made['id']}/activate") == (409, "already_void")
    assert house.wallet() == {"granted": "5", "posted": "5"}
    house.verified()


def test_what_is_left_is_refunded_in_proportion_to_the_cent(house: House) -> None:
    house.use(17, at=JUNE + DAY)
    id = house.grant(30, cost="10.00")["id"]
    ten = {"amount": "10", "idempotencyKey": "ticket-1"}
    first = house.ok("POST", f"/api/grants/{id}/refund", ten)
    assert (first["amount"], first["money"], first["currency"]) == ("10", "3.33", "USD")
    assert house.ok("POST", f"/api/grants/{id}/refund", ten) == first
    assert house.refused(f"/api/grants/{id}/refund", ten | {"amount": "9"}) == (409, "conflicting_refund")
    assert house.refused(f"/api/grants/{id}/refund", {"amount": "14", "idempotencyKey": "k"}) == (
        409,
        "refund_too_large",
    )
    rest = house.ok("POST", f"/api/grants/{id}/refund")
    assert (rest["amount"], rest["money"]) == ("13", "4.34")
    assert house.refused(f"/api/grants/{id}/refund") == (409, "refund_too_large")
    assert house.wallet() == {"granted": "30", "provisional": "7"}
    assert house.ok("GET", f"/api/grants/{id}")["refunded"] == "23"
    house.bill(JULY + DAY)
    assert rows(house.engine, "SELECT kind, cost FROM wallet_transfers ORDER BY id") == [
        ("sold", 10), ("refunded", Decimal("3.33")), ("refunded", Decimal("4.34")), ("used", Decimal("2.33")),
    ]  # fmt: skip
    told = [one["refund"] for one in facts(house, "wallet.grant_refunded")]
    assert told == [first, rest]
    house.verified()


def test_what_came_back_is_refunded_too_and_a_whole_refund_closes(house: House) -> None:
    sent = house.use(15, at=JUNE + DAY)
    id = house.grant(5, cost="10.00")["id"]
    house.bill(JULY + DAY)
    assert house.refused(f"/api/grants/{id}/refund") == (409, "refund_too_large")
    house.ok("POST", f"/api/usage/records/{sent}/void", {"reason": "twice"})
    assert house.ok("POST", f"/api/grants/{id}/refund")["money"] == "10.00"
    shown = house.ok("GET", f"/api/grants/{id}")
    assert (shown["status"], shown["posted"], shown["refunded"]) == ("closed", "0", "5")
    assert house.refused(f"/api/grants/{id}/refund") == (409, "grant_closed")
    house.verified()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"amount": "1"}, (422, "/idempotencyKey")),
        ({"amount": "0", "idempotencyKey": "k"}, (422, "/amount")),
        ({"amount": "NaN", "idempotencyKey": "k"}, (422, "/amount")),
        ({"amount": "-1", "idempotencyKey": "k"}, (422, "/amount")),
        ({"money": "1.00"}, (422, "/money")),
    ],
)
def test_what_is_no_refund_is_refused(house: House, body: dict[str, str], answer: tuple[int, str]) -> None:
    id = house.grant(5, cost="10.00")["id"]
    assert house.refused(f"/api/grants/{id}/refund", body) == answer
    assert scalars(house.engine, "SELECT count(*) FROM wallet_transfers") == [1]


def test_what_is_not_refunded(house: House) -> None:
    given, pending = house.grant(5)["id"], house.ok("POST", GRANTS, PENDING)["id"]
    over = house.grant(5, cost="1", expiresAt=(JUNE + 11 * DAY).isoformat())["id"]
    assert house.refused(f"/api/grants/{given}/refund") == (409, "grant_given")
    assert house.refused(f"/api/grants/{pending}/refund") == (409, "grant_pending")
    house.clock.now = JUNE + 12 * DAY
    assert house.refused(f"/api/grants/{over}/refund") == (409, "grant_closed")
    house.ok("POST", f"/api/grants/{given}/void")
    assert house.refused(f"/api/grants/{given}/refund") == (409, "already_void")
    for act in ("activate", "void", "refund"):
        assert house.refused(f"/api/grants/{NONE}/{act}") == (404, "not_found")
    assert house.refused(GRANTS, {"amount": "5", "idempotencyKey": "k", "pendingUntilPaid": True}) == (
        422,
        "/pendingUntilPaid",
    )
    house.verified()


def test_a_key_for_wallets_does_all_of_it_and_others_nothing(
    house: House, app: Flask, call_as: As, keys: Keys, make_token: MakeToken
) -> None:
    service = call_as(keys.of(WALLETS_WRITE))
    wallet = {"id": "v", "userId": "ann", "subscriptionId": "t", "unit": {"unitName": "x", "usageTypes": ["calls"]}}
    assert service.post("/api/wallets", json=wallet).status_code == 422  # let in
    id = service.post(GRANTS, json=PENDING).json["id"]
    for act in ("activate", "refund"):
        assert service.post(f"/api/grants/{id}/{act}").status_code == 200
    assert service.get("/api/wallets/w").status_code == 403
    for other in (call_as(keys.of(USAGE_WRITE)), call_as(make_token("ann"))):
        for path in (GRANTS, *(f"/api/grants/{id}/{act}" for act in ("activate", "void", "refund"))):
            assert other.post(path).status_code == 403


def test_twenty_refunds_at_once_are_one(house: House, app: Flask, call_as: As, keys: Keys) -> None:
    id = house.grant(30, cost="10.00")["id"]
    clients = [call_as(keys.admin) for _ in range(20)]
    body = {"amount": "3", "idempotencyKey": "ticket"}
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.post(f"/api/grants/{id}/refund", json=body), clients))
    assert {answer.status_code for answer in answers} <= {200, 503}  # a pool of connections has its bound
    assert scalars(house.engine, "SELECT refunded FROM wallet_grants") == [3]


def test_a_death_while_activating_or_refunding_changes_nothing(house: House, tmp_path: Path) -> None:
    pending, bought = house.ok("POST", GRANTS, PENDING)["id"], house.grant(6, cost="1.00")["id"]
    state = "SELECT status, refunded, activated_at IS NULL FROM wallet_grants ORDER BY id"
    before = rows(house.engine, state), rows(house.engine, "SELECT kind FROM wallet_transfers")

    def activate(engine: Engine) -> None:
        with transaction(engine) as session:
            activate_grant(session, pending, actor="test", now=house.clock.now, grace=GRACE)

    def refund(engine: Engine) -> None:
        with transaction(engine) as session:
            refund_grant(session, bought, Refund(), actor="test", now=house.clock.now)

    killed_at("prepaid.activated", tmp_path, activate, house)
    killed_at("prepaid.refunded", tmp_path, refund, house)
    assert (rows(house.engine, state), rows(house.engine, "SELECT kind FROM wallet_transfers")) == before
    house.ok("POST", f"/api/grants/{pending}/activate")
    assert house.ok("POST", f"/api/grants/{bought}/refund")["money"] == "1.00"
    house.verified()


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE wallet_grants SET refunded = refunded - 1, status = 'active' WHERE refunded > 0",
        "UPDATE wallet_grants SET taken_back = taken_back - 1, status = 'pending' WHERE status = 'void'",
        "UPDATE wallet_grants SET activated_at = NULL, status = 'pending' WHERE refunded = 0 AND status = 'active'",
    ],
)
def test_verify_sees_what_is_wrong(house: House, wrong: str) -> None:
    house.ok("POST", f"/api/grants/{house.grant(6, cost='10.00')['id']}/refund")
    house.ok("POST", f"/api/grants/{house.ok('POST', GRANTS, PENDING)['id']}/void")
    house.grant(5)
    house.verified()
    with transaction(house.engine) as session:
        session.execute(text(wrong))
    with read_only(house.engine) as session:
        assert {found.kind for found in wallet_differences(session, None)} == {"wallet_grant"}


@given(
    amount=st.decimals(1, 1000, places=2),
    cost=st.decimals(0, 1000, places=2),
    parts=st.lists(st.decimals(0, 1, places=3), max_size=8),
)
@settings(deadline=None)
def test_what_is_used_and_refunded_adds_up_to_the_cost(amount: Decimal, cost: Decimal, parts: list[Decimal]) -> None:
    out, moved = Decimal(0), Decimal(0)
    for part in [*parts, Decimal(1)]:
        after = amount if part == 1 else out + (amount - out) * part
        moved += cost_moved(cost, amount, before=out, after=after, places=2)
        out = after
    assert moved == cost


def test_at_a_terminal(house: House, cli: Cli) -> None:
    made = cli("wallets", "grant", "w", "--amount", "9", "--cost", "10", "--key", "k", "--pending", "--json").json
    assert made["status"] == "pending"
    assert cli("wallets", "activate", made["id"], "--json").json["status"] == "active"
    assert cli("wallets", "activate", made["id"]).code == 2
    assert cli("wallets", "refund", made["id"], "--amount", "3").code == 2
    assert cli("wallets", "refund", made["id"], "--amount", "3", "--key", "t", "--json").json["money"] == "3.33"
    assert cli("wallets", "refund", made["id"], "--json").json["money"] == "6.67"
    assert cli("wallets", "refund", "not-a-grant").code == 2
