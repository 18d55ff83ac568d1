"""A house in which requests are counted by a meter: tokens of their metadata, 10 free and 2.00 for each beyond."""

from datetime import datetime
from typing import Any

from tests.factories import make_quota, make_usage_type
from tests.factories.meters import make_meter
from tests.prepaid.conftest import House
from tests.support.books import rows
from usage_billing.db.session import transaction
from usage_billing.flows.folding.drive_folds import fold_new

WALLET = {"id": "k", "userId": "ann", "unit": {"unitName": "tokens", "usageTypes": ["tokens"]}}


def count_tokens(house: House, *, aggregation: str = "sum", limit: int = 10, **said: Any) -> None:
    """Make the meter of requests, which cost nothing themselves, and its quota."""
    with transaction(house.engine) as session:
        make_usage_type(session, id="requests")
        make_quota(session, plan="p", usage_type="requests", limit=None)
        terms = {"value": "n"} if aggregation != "count" else {}
        make_meter(session, id="tokens", of="requests", aggregation=aggregation, **terms | said)
        make_quota(session, plan="p", usage_type="tokens", limit=limit, unit_price="2")


def use(house: House, tokens: int | str, *, at: datetime, subscription: str = "s") -> str:
    """Record a request of so many tokens, and bring it into the books; returns the recording's id."""
    body = {"userId": "ann", "subscriptionId": subscription, "usageType": "requests", "quantity": 1}
    sent = house.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat(), "metadata": {"n": tokens}})
    house.drain()
    return str(sent["id"])


def fold(house: House) -> None:
    """Let the meter count what is in the books."""
    assert not fold_new(house.engine, seconds=20)


def void_first_final(house: House) -> None:
    """Declare the first invoice that is final void, if there is one."""
    finals = rows(house.engine, "SELECT id FROM invoices WHERE status = 'finalized' ORDER BY number LIMIT 1")
    for (id,) in finals:
        house.ok("POST", f"/api/invoices/{id}/void")


def close_and_prove(house: House) -> None:
    """Count, close what is to be closed, and prove the books."""
    fold(house)
    house.close()
    house.each_grant_adds_up("k")
    house.verified()


def put(house: House, amount: int, **said: Any) -> Any:
    """A grant in the wallet of tokens, since June unless said otherwise."""
    body = {"amount": str(amount), "idempotencyKey": f"t{said}{amount}", "effectiveAt": "2026-06-01T00:00:00Z"}
    return house.ok("POST", "/api/wallets/k/grants", body | said)


def held(house: House) -> dict[str, str]:
    """The figures of the wallet of tokens."""
    shown = house.ok("GET", "/api/wallets/k")
    names = ("granted", "posted", "provisional", "expired", "takenBack", "left")
    return {name: shown[name] for name in names if shown[name] != "0"}


def line(house: House, subscription: str = "s") -> tuple[str, str, str]:
    """How much of its tokens is used, covered and charged this month."""
    found = house.ok("GET", f"/api/usage/subscription/{subscription}")["usage"]
    (one,) = [one for one in found if one["usageType"] == "tokens"]
    return one["used"], one["covered"], one["charged"]
