"""What the commands about customers and the seller share: the options for what stands on an invoice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from usage_billing.cli.frame.party_types import (
    ADDRESS_LINE,
    BUYER_REFERENCE,
    CITY,
    COUNTRY,
    LANGUAGE,
    LEGAL_NAME,
    POSTAL_CODE,
    TAX_ID,
)

if TYPE_CHECKING:
    from usage_billing.customers.parties import Address

Function = TypeVar("Function", bound=Callable[..., Any])

_ADDRESS = ("line1", "line2", "postal_code", "city", "country")
_NEEDED = ("line1", "city", "country")


def address_options(function: Function) -> Function:
    """``--line1`` to ``--country``: an address, whole or not at all."""
    for option in (
        click.option("--country", type=COUNTRY, help="Its country, such as DE."),
        click.option("--city", type=CITY, help="Its city."),
        click.option("--postal-code", type=POSTAL_CODE, help="Its postal code."),
        click.option("--line2", type=ADDRESS_LINE, help="The second line of the address."),
        click.option("--line1", type=ADDRESS_LINE, help="The first line of the address, such as street and number."),
    ):
        function = option(function)
    return function


def buyer_options(function: Function) -> Function:
    """What stands of a customer on its invoices."""
    function = click.option("--buyer-reference", type=BUYER_REFERENCE, help="What it wants on its invoices.")(function)
    function = click.option("--language", type=LANGUAGE, help="Its language, such as de.")(function)
    function = click.option("--tax-id", type=TAX_ID, help="Its tax id.")(function)
    function = address_options(function)
    function = click.option("--tax-exempt/--no-tax-exempt", default=None, help="Whether it is exempt from tax.")(
        function
    )
    return click.option("--legal-name", type=LEGAL_NAME, help="Its name on invoices, if another one.")(function)


def take_address(said: dict[str, Any]) -> Address | None:
    """The address among the options of a command, which are taken out; None without any. Raises UsageError."""
    from usage_billing.customers.parties import Address

    parts = {name: said.pop(name) for name in _ADDRESS}
    if not any(parts.values()):
        return None
    if missing := [f"--{name}" for name in _NEEDED if not parts[name]]:
        raise click.UsageError(f"An address needs {', '.join(missing)} too.")
    return Address(**parts)
