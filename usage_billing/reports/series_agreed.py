"""What usage over time is read by, in one statement: contracts, and the usage type with the meter that it is."""

from typing import NamedTuple

from usage_billing.core.errors import NotFound
from usage_billing.db.rows import driver_rows, read_rows
from usage_billing.db.session import Reader
from usage_billing.meters.folded import FOLDED, FoldedType, read_folded
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.queries import (
    OF_CUSTOMER,
    OF_SUBSCRIPTION,
    Contract,
    contracts_from,
    contracts_with,
)
from usage_billing.subscriptions.term_rows import SEEN, ContractRow

STILL_AGREED = f"concat({SEEN % OF_SUBSCRIPTION}, ' ', {FOLDED}) = :seen"
"""A condition for another statement: ``:seen`` is ``Agreed.seen`` of the subscription ``:id`` and ``:usage_type``."""
_OF_SUBSCRIPTION, _OF_CUSTOMER = (
    contracts_with(OF_SUBSCRIPTION, column=f", {FOLDED} AS folded, {SEEN % OF_SUBSCRIPTION} AS seen"),
    contracts_with(OF_CUSTOMER, column=f", {FOLDED} AS folded, '' AS seen"),
)


class _Row(ContractRow, gc=False):
    folded: str | None
    seen: str


class Agreed(NamedTuple):
    """Contracts, of which there is one at least, and the usage type; None if there is none.

    ``seen`` of a single subscription is another as soon as anything of both is.
    """

    contracts: list[Contract]
    usage_type: FoldedType | None
    seen: str


def agreed_on(reader: Reader, usage_type: str, *, subscription_id: str = "", customer_id: str = "") -> Agreed:
    """The contract of a subscription, or those of a customer, and the usage type; raises NotFound without any."""
    statement = _OF_SUBSCRIPTION if subscription_id else _OF_CUSTOMER
    asked = {"id": subscription_id or customer_id, "usage_type": usage_type, "anniversary": Anchor.ANNIVERSARY}
    rows = read_rows(driver_rows(reader, statement, asked), _Row)
    if not rows:
        whose = f"subscription {subscription_id}" if subscription_id else f"subscription of a customer {customer_id}"
        raise NotFound(f"there is no {whose}")
    first = rows[0]
    return Agreed(contracts_from(rows), read_folded(first.folded), f"{first.seen} {first.folded or ''}")
