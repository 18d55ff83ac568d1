"""Books what is carried over from one grant to another, as late usage moves it. Wallets are locked."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.burn_down import NeedKey
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.carrying import booked_parts
from usage_billing.wallets.models import Grant
from usage_billing.wallets.service import DrawnFrom, move

_KNOWN = text("""
    SELECT DISTINCT ON (summary_id, fee_id, window_start) summary_id, fee_id, window_start, events, voids
    FROM wallet_transfers
    WHERE grant_id = :grant AND window_start IS NOT NULL
    ORDER BY summary_id, fee_id, window_start, id DESC
""")


def book_rollovers(session: Session, book: Allocation) -> None:
    """Let the ledger have what is carried over by now: more goes over, or what is too much comes back.

    The caller has posted before what comes back to the grants, and posts afterwards what they pay for. What of a cost
    goes over follows from how much is carried over, and not from the order of movements: of grants with a cost all that
    is booked comes back first, and what they have posted is posted again.
    """
    moves = _moves(book)
    dear = _of_changing_cost(moves)
    again = [(grant, _drawn(session, book, grant)) for grant in dear.values()]
    anew = [one for one in moves if one.source_id in dear or (one.into.id in dear and one.amount != one.before)]
    for grant, draws in again:
        for drawn, posted in draws:
            move(session, grant, TransferKind.RETURNED, posted, drawn=drawn)
    for one in reversed(anew):
        _carry(session, one, EXACT.minus(one.before))
    for one in anew:
        _carry(session, one, one.amount)
    for one in moves:
        if one not in anew:
            _carry(session, one, EXACT.subtract(one.amount, one.before))
    for grant, draws in again:
        for drawn, posted in draws:
            move(session, grant, TransferKind.USED, posted, drawn=drawn)
    session.flush()


class _Move(NamedTuple):
    """How much is booked as carried over from a grant (None: of an allowance) to another, and how much it is by now."""

    source: Grant | None
    into: Grant
    before: Decimal
    amount: Decimal

    @property
    def source_id(self) -> UUID | None:
        """The grant that it leaves."""
        return None if self.source is None else self.source.id


def _moves(book: Allocation) -> list[_Move]:
    """All that may be carried over in a wallet, what begins first before what is carried over from that."""
    by_id = {grant.id: grant for grant in book.grants}
    booked = booked_parts(book.grants)
    found = []
    for (source_id, id), amount in book.parts.items():
        if source_id is not None:
            found.append(_Move(by_id[source_id], by_id[id], booked[source_id, id], amount))
        elif by_id[id].unused_of is not None:  # what is left of an allowance leaves no grant
            found.append(_Move(None, by_id[id], by_id[id].amount, amount))
    return sorted(found, key=lambda one: (one.into.effective_at, one.into.id))


def _of_changing_cost(moves: Sequence[_Move]) -> dict[UUID, Grant]:
    """The grants with a cost of which a unit costs more or less by now, or of which other units are carried over."""
    found: dict[UUID, Grant] = {}
    for one in moves:
        if one.amount != one.before or one.source_id in found:
            ends = [one.into] if one.source is None else [one.source, one.into]
            found |= {grant.id: grant for grant in ends if grant.cost_currency is not None}
    return found


def _drawn(session: Session, book: Allocation, grant: Grant) -> list[tuple[DrawnFrom, Decimal]]:
    """What is posted of a grant, with what was known of its usage then."""
    draws = {key.need: posted for key, posted in sorted(book.posted.items()) if key.grant_id == grant.id and posted}
    if not draws:
        return []
    rows = session.execute(_KNOWN, {"grant": grant.id})
    known = {NeedKey(row.summary_id or 0, row.window_start, row.fee_id or 0): (row.events, row.voids) for row in rows}
    return [
        (DrawnFrom(need=need, events=known[need][0], voids=known[need][1]), posted) for need, posted in draws.items()
    ]


def _carry(session: Session, one: _Move, change: Decimal) -> None:
    """Move so much over, or back where it is below 0, with its part of the cost."""
    if not change:
        return
    out, into = (
        (TransferKind.ROLLED_OUT, TransferKind.ROLLED_IN)
        if change > 0
        else (TransferKind.ROLLED_BACK, TransferKind.ROLLED_OFF)
    )
    cost = Decimal(0) if one.source is None else move(session, one.source, out, abs(change)).cost
    move(session, one.into, into, abs(change), cost=cost)
