"""What a simulation leaves behind, and whether the operator wants that."""

import sys

import click

from usage_billing.cli.frame.http import Client, Refusal
from usage_billing.cli.frame.output import tell
from usage_billing.cli.simulation.simulated import LIMIT, PLAN, UNIT_PRICE, USAGE_TYPE, Subject
from usage_billing.core.errors import Conflict, NotFound

_FORBIDDEN = 403
EXAMPLE_CUSTOMER, EXAMPLE_NAME = "user123", "Example customer"


def allow(client: Client, subject: Subject | None, *, yes: bool, prepaid: bool = False) -> None:
    """Ask whether to go on, unless ``yes`` says so or the API has the example of `usage-billing up`.

    Raises Conflict where there is no terminal to ask at, click.Abort when the answer is no.
    """
    if yes or _has_example(client):
        return
    traces = what_stays(subject) + ("; a wallet with units that are granted stays" if prepaid else "")
    if not sys.stdin.isatty():
        raise Conflict(f"{client.base} has no example of `usage-billing up`: give --yes if {traces}")
    tell(f"{client.base} has no example of `usage-billing up`. If you go on, {traces}.")
    click.confirm("Go on?", abort=True, err=True)


def what_stays(subject: Subject | None) -> str:
    """The end of a sentence that begins with *if*."""
    if subject is not None:
        return (
            f"usage beyond the limit may be recorded for {subject.user_id} under {subject.subscription_id},"
            " and a draft invoice charge it; voiding the recordings takes both back"
        )
    return (
        f"the plan {PLAN}, the usage type {USAGE_TYPE} (limit {LIMIT}, {UNIT_PRICE} USD beyond), a customer and a"
        " subscription called simulated-..., their usage and a draft invoice may stay"
    )


def _has_example(client: Client) -> bool:
    try:
        return bool(client.get(f"/api/customers/{EXAMPLE_CUSTOMER}")["name"] == EXAMPLE_NAME)
    except NotFound:
        return False
    except Refusal as error:
        if error.status != _FORBIDDEN:
            raise
        return False
