"""A customer with two subscriptions, 10 calls free and 2.00 beyond, and a wallet for calls."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import Clock, Drain
from tests.factories import make_customer, make_plan, make_quota, make_subscription, make_usage_type
from tests.support.billing import GRACE, bill
from usage_billing.core.decimals import sum_of
from usage_billing.db.session import read_only, transaction
from usage_billing.drawing.books import all_allocations
from usage_billing.flows.folding.reckon_meters import reckon_meters_of_wallet
from usage_billing.flows.prepaid.close_grants import close_grants, wallets_to_close
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.wallets import wallets_in_hand
from usage_billing.wallets.views import GrantView, available_of, grant_view
from usage_billing.wire.noun import show
from usage_billing.wire.wallet import GRANT

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
WALLET = {"id": "w", "userId": "ann", "unit": {"unitName": "calls", "usageTypes": ["calls"]}}


@dataclass
class House:
    """The customer's books, and what may happen to them."""

    engine: Engine
    admin: FlaskClient
    clock: Clock
    drain: Drain
    _keys: Any

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """What the API answers, below 300."""
        answer = self.admin.open(path, method=method, json=body)
        assert answer.status_code < 300, answer.json
        return answer.json

    def refused(self, path: str, body: Any = None) -> tuple[int, str]:
        """The status and the code, or else the first pointer, of a refusal."""
        answer = self.admin.post(path, json=body)
        errors = answer.json.get("errors") or [{"pointer": answer.json["code"]}]
        return answer.status_code, errors[0]["pointer"]

    def use(self, quantity: int, *, at: datetime, subscription: str = "s") -> str:
        """Record usage, and bring it into the books; returns the recording's id."""
        body = {"userId": "ann", "subscriptionId": subscription, "usageType": "calls", "quantity": quantity}
        sent = self.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat()})
        self.drain()
        return str(sent["id"])

    def grant(self, amount: int, **said: Any) -> Any:
        """A grant that holds since June, unless said otherwise."""
        body = {"amount": str(amount), "idempotencyKey": f"k{next(self._keys)}", "effectiveAt": JUNE.isoformat()}
        return self.ok("POST", "/api/wallets/w/grants", body | said)

    def wallet(self) -> dict[str, str]:
        """The figures of the wallet."""
        shown = self.ok("GET", "/api/wallets/w")
        names = ("granted", "posted", "provisional", "expired", "takenBack", "left")
        return {name: shown[name] for name in names if shown[name] != "0"}

    def grants(self, wallet: str = "w") -> list[Any]:
        """All grants of a wallet, the first made first."""
        return list(reversed(self.ok("GET", f"/api/wallets/{wallet}/grants?limit=200")["data"]))

    def each_grant_adds_up(self, wallet: str = "w") -> None:
        """What became of each grant of a wallet is all of it."""
        for one in self.grants(wallet):
            parts = [Decimal(one[name]) for name in ("posted", "provisional", "expired", "takenBack", "left")]
            assert sum(parts) == Decimal(one["amount"])
            assert min(parts[0], parts[2], parts[4]) >= 0

    def bill(self, as_of: datetime) -> None:
        """A whole run, at its time."""
        self.clock.now = as_of
        bill(self.engine, as_of, grace=GRACE)

    def invoices(self, subscription: str = "s") -> list[tuple[str, str, list[tuple[str, str, str]]]]:
        """Status, total and items (billable, covered, amount) of the invoices, the oldest first."""
        found = self.ok("GET", f"/api/invoices?subscriptionId={subscription}")["data"]
        return [
            (one["status"], one["total"], [(i["billable"], i["covered"], i["amount"]) for i in one["items"]])
            for one in reversed(found)
        ]

    def close(self) -> int:
        """Close what is over by the clock; returns how many grants."""
        with transaction(self.engine) as session:
            names = wallets_to_close(session, now=self.clock.now)
        closed = 0
        for name in names:
            with transaction(self.engine) as session:
                reckon_meters_of_wallet(session, name, now=self.clock.now)
            with transaction(self.engine) as session:
                closed += close_grants(session, name, now=self.clock.now)
        return closed

    def verified(self) -> None:
        """Nothing differs, and balances are the same where closed grants are not read."""
        with read_only(self.engine) as session:
            assert list(find_differences(session)) == []
        balances_need_no_closed_grants(self.engine, now=self.clock.now)


def balances_need_no_closed_grants(engine: Engine, *, now: datetime) -> None:
    """What a balance reads comes to what all grants do."""
    with read_only(engine) as session:
        names = list(session.scalars(text("SELECT id FROM customers")))
        whole = all_allocations(session, names, now=now)
        views = [view for name in names for view in wallets_in_hand(session, name, now=now)]
        found = {one.wallet.id: one for one in all_allocations(session, names, now=now, past=False)}
        shown = {view.wallet.id: view for view in views}
        assert list(shown) == [book.wallet.id for book in whole]
        for book in whole:
            light, view = found[book.wallet.id], shown[book.wallet.id]
            assert (list(light.changes()), light.carried) == (list(book.changes()), book.carried)
            every = [grant_view(book, grant, now=now) for grant in book.grants]
            counted = [one for one in every if one.grant.counts]
            there = [show(GRANT, one) for one in every if one.status in ("pending", "active") and not one.is_nothing]
            assert [show(GRANT, one) for one in view.grants] == there
            assert view.closed.grants == sum(one.status in ("closed", "void") for one in counted)
            for name in ("granted", "posted", "expired", "taken_back", "refunded", "rolled_over"):
                of_all = sum_of(_figure(one, name) for one in counted)
                of_closed = sum_of(_figure(one, name) for one in counted if one.status in ("closed", "void"))
                assert (getattr(view, name), getattr(view.closed, name)) == (of_all, of_closed), name
            for name in ("left", "provisional"):
                assert getattr(view, name) == sum_of(getattr(one, name) for one in counted), name
            assert view.available == available_of(book, now=now)


def _figure(view: GrantView, name: str) -> Decimal:
    found = view.amount if name == "granted" else getattr(view, name, None)
    return getattr(view.grant, name) if found is None else found


MakeHouse = Callable[[], House]


@pytest.fixture
def house(engine: Engine, admin: FlaskClient, clock: Clock, drain: Drain) -> House:
    with transaction(engine) as session:
        make_customer(session, id="ann")
        make_plan(session, id="p")
        make_usage_type(session, id="calls")
        make_quota(session, plan="p", usage_type="calls", limit=10, unit_price="2")
        for name in ("s", "t"):
            make_subscription(session, id=name, customer="ann", plan="p", started_at=JUNE)
    clock.now = JUNE + timedelta(days=10)
    made = House(engine, admin, clock, drain, count())
    made.ok("POST", "/api/wallets", WALLET)
    return made


@pytest.fixture
def owing(house: House) -> House:
    """A house whose customer has a wallet that may owe 20 calls of June and later."""
    with house.engine.begin() as books:
        books.exec_driver_sql("DELETE FROM wallet_scopes")
        books.exec_driver_sql("DELETE FROM wallets")
    house.clock.now = JUNE
    house.ok("POST", "/api/wallets", WALLET | {"uncovered": "owe", "overdraft": "20"})
    house.clock.now = JUNE + timedelta(days=10)
    return house
