"""All wallets of some customers, in units and in money, each with its draws at this moment."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.drawing.coverage import allocations
from usage_billing.drawing.levels import Made
from usage_billing.drawing.money import money_allocations
from usage_billing.invoicing.fees import WantingFee
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import wallets_of


def all_allocations(
    session: Session,
    customer_ids: Collection[str],
    *,
    now: datetime,
    wallets: Sequence[Wallet] | None = None,
    fees: Sequence[WantingFee] = (),
    past: bool = True,
    beyond: Mapping[int, Decimal] | None = None,
    moved: Mapping[UUID, Decimal] | None = None,
    ends: Mapping[str, datetime | None] | None = None,
    made: Made | None = None,
) -> list[Allocation]:
    """The wallets of these customers, by id, each with its draws; nothing is read where there are none.

    ``wallets`` are all of theirs, where the caller has read them. ``fees`` are not stored so, and want what they
    say. Without ``past`` closed grants are left out of which nothing is posted: what only reads a balance needs none.
    ``beyond`` and ``moved`` are what lies beyond, ``ends`` when subscriptions end, and ``made`` what segments without a
    summary come to, where the caller sees that otherwise than it is stored.
    """
    found = wallets_of(session, customer_ids) if wallets is None else wallets
    if not found:
        return []
    units = allocations(
        session,
        customer_ids,
        now=now,
        wallets=found,
        past=past,
        beyond=beyond,
        moved=moved,
        ends=ends,
        made=made,
    )
    money = money_allocations(session, found, now=now, units=units, fees=fees, past=past)
    return sorted([*units, *money], key=lambda one: one.wallet.id)


def allocation_of(session: Session, wallet: Wallet, *, now: datetime, past: bool = True) -> Allocation:
    """One wallet with its draws; ``past`` as ``all_allocations`` has it."""
    if wallet.currency is None:
        (book,) = allocations(session, [wallet.customer_id], now=now, wallets=[wallet], past=past)
        return book
    units = allocations(session, [wallet.customer_id], now=now, past=past)
    # The subscription's own wallet pays instead of that for all, so all in money are asked together.
    found = money_allocations(session, wallets_of(session, [wallet.customer_id]), now=now, units=units, past=past)
    return next(one for one in found if one.wallet.id == wallet.id)
