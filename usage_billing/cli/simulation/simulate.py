"""``usage-billing simulate``: does a running stack record and bill? The founding document's test script."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import load_settings
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, pick, print_json, print_rows, tell
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.errors import ConfigurationError

if TYPE_CHECKING:
    from usage_billing.cli.simulation.simulation import Outcome
    from usage_billing.settings import Settings

DEFAULT_PORT = 5003
SECRETS = "secrets.json"
_USAGE = ("usageType", "used", "limit", "overage", "estimatedCharge", "currency", "periodStart", "periodEnd")
_ITEMS = ("usageType", "quantity", "unitPrice", "amount", "description")


@click.command(
    epilog=example("simulate")
    + "\n  TEST_AUTH_TOKEN=... TEST_USER_ID=user123 TEST_SUBSCRIPTION_ID=sub456 usage-billing simulate"
)
@click.option("--url", help="Where the API is; else this machine, at PORT.")
@click.option("--usage-type", type=IDENTIFIER, help="What to record; else the type with the least left.")
@click.option("--prepaid", is_flag=True, help="Grant units beforehand, and see that they pay for a part.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=30, show_default=True, help="Seconds to wait.")
@click.option("--yes", is_flag=True, help="Do not ask, where the API has data of yours.")
@json_option
def command(*, url: str | None, usage_type: str | None, prepaid: bool, timeout: int, yes: bool, as_json: bool) -> None:
    """Record usage beyond a limit over HTTP, bill it, bill it again, and show the invoice.

    With TEST_USER_ID and TEST_SUBSCRIPTION_ID it is their usage that is recorded, and charged; without them it
    makes a customer of its own. TEST_AUTH_TOKEN is a token or a key; without it the admin key is taken from
    USAGE_BILLING_ADMIN_KEY or from the home of `usage-billing up`. Unless the API has the example of
    `usage-billing up`, it says what it leaves behind and asks first. Exits 1 when a step does something else than
    it should.
    """
    from usage_billing.cli.frame.http import Client
    from usage_billing.cli.simulation.simulated import make_subject, named_subject
    from usage_billing.cli.simulation.simulation import Simulation, SimulationFailed
    from usage_billing.cli.simulation.traces import allow

    settings = load_settings()
    subject = named_subject(
        os.environ.get("TEST_USER_ID", "").strip(), os.environ.get("TEST_SUBSCRIPTION_ID", "").strip()
    )
    client = Client(url or f"http://127.0.0.1:{settings.port or DEFAULT_PORT}", _credential(settings))
    simulation = Simulation(client, tell, timeout, prepaid)
    tell(f"calling {client.base}")
    try:
        allow(client, subject, yes=yes, prepaid=prepaid)
        if subject is None:
            subject = make_subject(client)
            tell(f"made the customer {subject.user_id} with the subscription {subject.subscription_id}")
        outcome = simulation.run(subject, usage_type)
    except (KeyError, TypeError, ArithmeticError) as error:
        raise SimulationFailed(f"{client.base} answers in another form ({error!r})") from None
    _print(outcome, as_json=as_json)


def _credential(settings: Settings) -> str:
    token = os.environ.get("TEST_AUTH_TOKEN", "").strip() or settings.admin_key or _kept_key(settings)
    if not token:
        raise ConfigurationError(
            "there is no credential: set TEST_AUTH_TOKEN, or USAGE_BILLING_ADMIN_KEY,"
            " or run where `usage-billing up` runs"
        )
    return token


def _kept_key(settings: Settings) -> str:
    """The admin key that `usage-billing up` keeps in the home; empty when there is none."""
    import json

    try:
        kept: Any = json.loads((settings.home / SECRETS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(kept.get("USAGE_BILLING_ADMIN_KEY", "")) if isinstance(kept, dict) else ""


def _print(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "userId": outcome.subject.user_id,
                "subscriptionId": outcome.subject.subscription_id,
                "recordIds": outcome.records,
                "runId": outcome.run_id,
                "usage": outcome.usage,
                "invoice": outcome.invoice,
            }
        )
        return
    click.echo(f"Usage of {outcome.subject.user_id} under {outcome.subject.subscription_id}:")
    print_rows([pick(outcome.usage, *_USAGE)], as_json=False, empty="")
    invoice = outcome.invoice
    click.echo(f"Invoice {invoice['id']} ({invoice['status']}), {invoice['total']} {invoice['currency']}:")
    print_rows([pick(item, *_ITEMS) for item in invoice["items"]], as_json=False, empty="It has no items.")
    click.echo("It works: recorded, counted, billed once.")
