"""Whose usage a simulation records: that of a given customer, or of a customer made for the simulation."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from usage_billing.cli.frame.http import Client, Refusal
from usage_billing.core.errors import ConfigurationError

PLAN, USAGE_TYPE, LIMIT, UNIT_PRICE = "simulation", "simulated-assessment", 50, "10.00"
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer and the subscription whose usage is recorded."""

    user_id: str
    subscription_id: str


def named_subject(user_id: str, subscription_id: str) -> Subject | None:
    """The subject that TEST_USER_ID and TEST_SUBSCRIPTION_ID name; None without both. Raises ConfigurationError for one
    without the other.
    """
    if bool(user_id) != bool(subscription_id):
        raise ConfigurationError("TEST_USER_ID and TEST_SUBSCRIPTION_ID are given together, or neither is")
    return Subject(user_id, subscription_id) if user_id else None


def make_subject(client: Client) -> Subject:
    """Make a customer with a subscription, on a plan made for simulations.

    Raises Refusal, NotFound and Unavailable.
    """
    subject = Subject(f"simulated-{uuid4().hex[:12]}", f"simulated-{uuid4().hex[:12]}")
    _ensure(client, "/api/plans", {"id": PLAN, "name": "Simulation", "currency": "USD"})
    _ensure(client, "/api/usage-types", {"id": USAGE_TYPE, "unitName": "assessment"})
    if not client.get(f"/api/quotas?planId={PLAN}")["data"]:
        quota = {"planId": PLAN, "usageType": USAGE_TYPE, "monthlyLimit": LIMIT, "unitPrice": UNIT_PRICE}
        client.post("/api/quotas", quota)
    client.post("/api/customers", {"id": subject.user_id, "name": "Simulated customer"})
    subscription = {"id": subject.subscription_id, "userId": subject.user_id, "planId": PLAN}
    client.post("/api/subscriptions", subscription | {"startedAt": "2020-01-01T00:00:00Z"})
    return subject


def _ensure(client: Client, path: str, body: dict[str, Any]) -> None:
    try:
        client.post(path, body)
    except Refusal as error:
        if error.status != _CONFLICT:
            raise
