"""``usage-billing admin-link``: a link that opens the admin pages once."""

from __future__ import annotations

import click

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError
from usage_billing.sessions.pages import OPENS_ADMIN


@click.command("admin-link", epilog=example("admin-link"))
@json_option
def command(*, as_json: bool) -> None:
    """Print a link to the admin pages. It opens them once, within a minute, for 12 hours.

    It begins with USAGE_BILLING_PUBLIC_URL, which a running `usage-billing up` knows.
    """
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_operators import make_link
    from usage_billing.wire.noun import show
    from usage_billing.wire.operator_session import OPERATOR_LINK

    with connected() as (settings, engine), transaction(engine) as session:
        if not settings.public_address:
            raise ConfigurationError("USAGE_BILLING_PUBLIC_URL is not set: a link begins with the address of the pages")
        link = make_link(session, secret=settings.require_secret(), actor=actor(), now=utc_now())
        shape = show(OPERATOR_LINK, {"row": link.row, "url": f"{settings.public_address}{OPENS_ADMIN}{link.code}"})
    if as_json:
        print_json(shape)
    else:
        click.echo(shape["url"])
