"""``usage-billing portal-link``: a link that opens a customer's pages once."""

from __future__ import annotations

import click

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError
from usage_billing.sessions.pages import OPENS


@click.command("portal-link", epilog=example("portal-link user123"))
@click.argument("user", type=IDENTIFIER)
@json_option
def command(*, user: str, as_json: bool) -> None:
    """Print a link to a customer's pages. It opens them once, within a minute, for an hour.

    It begins with USAGE_BILLING_PUBLIC_URL, which a running `usage-billing up` knows.
    """
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_portal import create_portal_session
    from usage_billing.sessions.service import NewPortalSession
    from usage_billing.wire.noun import show
    from usage_billing.wire.portal_session import ISSUED_PORTAL_SESSION

    with connected() as (settings, engine), transaction(engine) as session:
        if not settings.public_address:
            raise ConfigurationError("USAGE_BILLING_PUBLIC_URL is not set: a link begins with the address of the pages")
        new = NewPortalSession(customer_id=user)
        issued = create_portal_session(session, new, secret=settings.require_secret(), actor=actor(), now=utc_now())
        url = f"{settings.public_address}{OPENS}{issued.code}"
        shape = show(ISSUED_PORTAL_SESSION, {"row": issued.row, "url": url})
    if as_json:
        print_json(shape)
    else:
        click.echo(url)
