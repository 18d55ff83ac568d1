"""``usage-billing connect``: what a program of others has to be given, ready to copy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from usage_billing.reports.arrivals import Arrival

_LOOK_SECONDS = 0.5

_SETTINGS = {
    "openmeter": (
        'from openmeter import Client; client = Client(endpoint="{url}/openmeter", token="{key}")'
        "  # npm: baseUrl and apiKey"
    ),
    "lago": (
        'from lago_python_client.client import Client; client = Client(api_key="{key}", api_url="{url}/lago/")'
        '  # npm: baseUrl "{url}/lago/api/v1"'
    ),
    "stripe": (
        'from stripe import StripeClient; client = StripeClient("{key}", max_network_retries=2,'
        ' base_addresses={{"api": "{url}/stripe", "meter_events": "{url}/stripe"}})  # npm: host and port of {url}'
    ),
    "litellm": (
        "OPENMETER_API_ENDPOINT={url}/openmeter OPENMETER_API_KEY={key} OPENMETER_EVENT_TYPE=USAGE-TYPE"
        '  # and, in its configuration: litellm_settings: {{callbacks: ["openmeter"]}}'
    ),
    "cloudevents": (
        "curl {url}/api/ingest/cloudevents -H 'Authorization: Bearer {key}' -H 'Content-Type:"
        ' application/cloudevents+json\' -d \'{{"specversion": "1.0", "id": "first", "source": "shell", "type":'
        ' "USAGE-TYPE", "subject": "CUSTOMER"}}\''
    ),
}


@click.command("connect", epilog=example("connect openmeter --wait 60"))
@click.argument("program", type=click.Choice(list(_SETTINGS)))
@click.option("--url", help="The address that the program reaches; USAGE_BILLING_PUBLIC_URL unless given.")
@click.option("--wait", type=click.IntRange(1, 3600), help="Seconds to wait for the first event of the new key.")
@click.option("--reads", is_flag=True, help="Let the program also read usage, wallets and invoices back.")
@json_option
def command(*, program: str, url: str | None, wait: int | None, reads: bool, as_json: bool) -> None:
    """Issue a key for a program of others, and print what it is given.

    It may record, and with --reads also read back what was used; lists of customers need a key with the scope admin.

    With --wait it then waits until the program's first event is in the books, or in quarantine; if none comes, the exit
    code is 3.
    """
    from usage_billing.access.principal import USAGE_READ, USAGE_WRITE
    from usage_billing.access.service import NewKey
    from usage_billing.core.identifiers import new_id
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_keys import create_key
    from usage_billing.setting_values import read_public_address

    with connected() as (settings, engine):
        address = read_public_address("--url", url) if url else settings.public_address
        if not address:
            raise ConfigurationError("give --url, or set USAGE_BILLING_PUBLIC_URL: the program needs an address")
        since = new_id()
        with transaction(engine) as session:
            new = NewKey(name=f"connect {program}", scopes=(USAGE_WRITE, USAGE_READ) if reads else (USAGE_WRITE,))
            issued = create_key(session, new, secret=settings.require_secret(), actor=actor(), now=utc_now())
            number = issued.row.number
        snippet = _SETTINGS[program].format(url=address, key=issued.text)
        if not as_json:
            click.echo(snippet)
            tell("the key is never shown again")
        found = _first(engine, number, since, seconds=wait) if wait else None
    shape: dict[str, str | None] = {"program": program, "url": address, "key": issued.text, "settings": snippet}
    if wait:
        shape |= {"arrived": str(found.id) if found else None, "reason": found.reason if found else None}
    if as_json:
        print_json(shape)
    if wait and found is None:
        raise NotFound(f"no event came with this key within {wait} seconds")
    if found is not None and not as_json:
        where = f"quarantine ({found.reason})" if found.reason else "the books"
        click.echo(f"the first event is in {where}: {found.id}")


def _first(engine: Engine, number: int, since: UUID, *, seconds: int) -> Arrival | None:
    """The first recording that came with the key, looked for until ``seconds`` are over."""
    from usage_billing.db.session import read_only
    from usage_billing.reports.arrivals import first_arrival

    ends = time.monotonic() + seconds
    while True:
        with read_only(engine) as session:
            found = first_arrival(session, number, since=since)
        if found is not None or time.monotonic() > ends:
            return found
        time.sleep(_LOOK_SECONDS)
