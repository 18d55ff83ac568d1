"""Books what is carried over from one grant to another, as late usage moves it. Wallets are locked."""

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.service import move


def book_rollovers(session: Session, book: Allocation) -> None:
    """Let the ledger have what is carried over by now: more goes over, or what is too much comes back.

    The caller has posted before what comes back to the grants, and posts afterwards what they pay for.
    """
    by_id = {grant.id: grant for grant in book.grants}
    for id, amount in sorted(book.carried.items()):
        grant = by_id[id]
        change = EXACT.subtract(amount, grant.amount)
        if not change:
            continue
        out, into = (
            (TransferKind.ROLLED_OUT, TransferKind.ROLLED_IN)
            if change > 0
            else (TransferKind.ROLLED_BACK, TransferKind.ROLLED_OFF)
        )
        if grant.rolls_from is not None:  # what is left of an allowance leaves no grant
            move(session, by_id[grant.rolls_from], out, abs(change))
        move(session, grant, into, abs(change))
    session.flush()
