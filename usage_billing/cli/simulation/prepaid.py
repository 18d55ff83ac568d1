"""Units that are paid for beforehand in a simulation: granted before the usage, and drawn when it is billed."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from usage_billing.cli.frame.http import Client
from usage_billing.cli.simulation.simulated import Subject

UNITS = 2
"""How many of the units beyond the limit are granted."""


def grant_units(client: Client, subject: Subject, usage_type: str) -> str:
    """Grant units that pay for a subscription's usage first, in its wallet or a new one; returns the grant's id."""
    wallets = client.get(f"/api/wallets?userId={subject.user_id}&limit=200")["data"]
    fitting = [wallet["id"] for wallet in wallets if _pays(wallet, subject, usage_type)]
    wallet_id = fitting[0] if fitting else _make_wallet(client, subject, usage_type)
    grant: dict[str, Any] = client.post(
        f"/api/wallets/{wallet_id}/grants",
        {
            "amount": str(UNITS),
            "priority": 0,
            "usageTypes": [usage_type],
            "subscriptionIds": [subject.subscription_id],
            "idempotencyKey": f"simulate:{uuid4()}",
        },
    )
    return str(grant["id"])


def drawn_units(client: Client, grant_id: str) -> Decimal:
    """How many units of a grant pay for usage, posted or not."""
    grant = client.get(f"/api/grants/{grant_id}")
    return Decimal(grant["provisional"]) + Decimal(grant["posted"])


def _pays(wallet: dict[str, Any], subject: Subject, usage_type: str) -> bool:
    own = wallet["subscriptionId"] in (None, subject.subscription_id)
    return own and usage_type in wallet["unit"].get("usageTypes", ())


def _make_wallet(client: Client, subject: Subject, usage_type: str) -> str:
    unit_name = client.get(f"/api/usage-types/{usage_type}")["unitName"]
    made = client.post(
        "/api/wallets",
        {
            "id": f"simulated-{uuid4()}",
            "userId": subject.user_id,
            "subscriptionId": subject.subscription_id,
            "unit": {"unitName": unit_name, "usageTypes": [usage_type]},
        },
    )
    return str(made["id"])
