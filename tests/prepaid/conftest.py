"""A customer with two subscriptions, 10 calls free and 2.00 beyond, and a wallet for calls."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Clock, Drain
from tests.factories import make_customer, make_plan, make_quota, make_subscription, make_usage_type
from tests.support.billing import GRACE, bill
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.prepaid.close_grants import close_grants, wallets_to_close
from usage_billing.reports.verify.books import find_differences

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
                closed += close_grants(session, name, now=self.clock.now)
        return closed

    def verified(self) -> None:
        """Nothing differs."""
        with read_only(self.engine) as session:
            assert list(find_differences(session)) == []


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
