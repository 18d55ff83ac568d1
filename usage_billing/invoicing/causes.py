"""What items charge for: a summary, a fee or a purchase."""

from typing import Any, NamedTuple, Protocol


class Cause(NamedTuple):
    """What an item charges for: the summary, fee or purchase with this id; of a price by dimension the cell, too."""

    kind: str
    id: int
    cell: str = ""


def summary_cause(summary_id: int, cell: str = "") -> Cause:
    """The cause of a usage charge."""
    return Cause("summary", summary_id, cell)


def fee_cause(fee_id: int) -> Cause:
    """The cause of a base fee."""
    return Cause("fee", fee_id)


def purchase_cause(charge_id: int) -> Cause:
    """The cause of a purchase's charge."""
    return Cause("purchase", charge_id)


def cause_of(item: "ItemOfCause") -> Cause:
    """What an item charges for."""
    if item.summary_id is not None:
        return summary_cause(item.summary_id, item.cell)
    return fee_cause(item.fee_id) if item.fee_id is not None else purchase_cause(item.purchase_id or 0)


class ItemOfCause(Protocol):
    """An item, stored or not, as far as it says what it charges for."""

    summary_id: Any
    cell: Any
    fee_id: Any
    purchase_id: Any
