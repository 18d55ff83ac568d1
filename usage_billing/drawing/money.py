"""Which grants in money pay for the charges of some customers as the books are: computed when asked, and not stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.drawing.charges import ChargedGroup, charged_groups
from usage_billing.drawing.money_needs import ChargedSegment, wanted
from usage_billing.drawing.stretches import WindowsOfGroup, amounts_then, windows_of_groups
from usage_billing.invoicing.estimates import SegmentOfType
from usage_billing.invoicing.fees import WantingFee, fees_wanting
from usage_billing.prepaid.burn_down import Need, NeedKey
from usage_billing.prepaid.closings import Closing, allocate_after
from usage_billing.subscriptions.queries import Contract, contracts_of_customers
from usage_billing.wallets.allocation import Allocation, overdue, read_books, read_past_cuts
from usage_billing.wallets.carrying import rollovers_of
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import Wallet

_NOTHING = Decimal(0)


@dataclass(slots=True)
class _Wanting:
    """A wallet in money with the subscriptions that it pays for, and what they are charged."""

    book: Allocation
    contracts: list[Contract] = field(default_factory=list)
    groups: list[ChargedGroup] = field(default_factory=list)
    fees: list[WantingFee] = field(default_factory=list)

    @property
    def since(self) -> datetime:
        """Before this no grant pays for anything."""
        return min(grant.covers_since or grant.effective_at for grant in self.book.grants if grant.counts)


def money_allocations(
    session: Session,
    wallets: Sequence[Wallet],
    *,
    now: datetime,
    units: Sequence[Allocation],
    fees: Sequence[WantingFee] = (),
    past: bool = True,
) -> list[Allocation]:
    """Those of ``wallets`` that are in money, by id, each with its draws; nothing is read where there are none.

    ``units`` are all wallets in units of the same customers: what they pay for is not charged. ``fees`` are
    not stored so, and want what they say. Without ``past`` they leave out closed grants, as ``read_books`` says.
    """
    books = read_books(session, [wallet for wallet in wallets if wallet.currency is not None], now=now, past=past)
    wanting = _wanting(session, [book for book in books.values() if any(grant.counts for grant in book.grants)])
    if wanting:
        _read_charges(session, wanting, units, fees, now=now)
    begins = [segment.part.start for one in wanting for group in one.groups for segment in group.segments]
    if begins and not past:
        read_past_cuts(session, books, since=min(begins))
    for one in wanting:
        _allocate(session, one, units, now=now)
    return list(books.values())


def _wanting(session: Session, books: Sequence[Allocation]) -> list[_Wanting]:
    """These wallets with their subscriptions: a subscription's own wallet comes before that for all."""
    if not books:
        return []
    by_place = {
        (one.wallet.customer_id, one.wallet.subscription_id, one.wallet.currency): _Wanting(one) for one in books
    }
    for contract in contracts_of_customers(session, {one.wallet.customer_id for one in books}):
        own = by_place.get((contract.customer_id, contract.id, contract.currency))
        found = own or by_place.get((contract.customer_id, None, contract.currency))
        if found is not None:
            found.contracts.append(contract)
    return list(by_place.values())


def _read_charges(
    session: Session,
    wanting: Sequence[_Wanting],
    units: Sequence[Allocation],
    fees: Sequence[WantingFee],
    *,
    now: datetime,
) -> None:
    of = {contract.id: one for one in wanting for contract in one.contracts}
    if not of:
        return
    since = {name: one.since for name, one in of.items()}
    contracts = [contract for one in wanting for contract in one.contracts]
    for group in charged_groups(session, contracts, since=since, now=now, units=units):
        of[group.contract.id].groups.append(group)
    with_fees = [name for name, one in of.items() if one.book.wallet.fees]
    if with_fees:
        stored = fees_wanting(session, with_fees, since=min(since[name] for name in with_fees))
        known = {fee.id: fee for fee in (*stored, *fees)}
        for fee in known.values():
            if fee.amount and fee.subscription_id in with_fees:
                of[fee.subscription_id].fees.append(fee)


def _allocate(session: Session, one: _Wanting, units: Sequence[Allocation], *, now: datetime) -> None:
    book = one.book
    for group in one.groups:
        for segment in group.segments:
            book.known[segment.counted.id] = segment.counted.events, segment.counted.voids
    needs = _needs(one, windows_of_groups(session, book, one.groups, units))
    closings = []
    for until, ids in overdue(book.grants, now).items():
        windows = windows_of_groups(session, book, one.groups, units, until=until)
        wanted = _needs(one, windows, then=amounts_then(session, one.groups, until=until))
        closings.append(Closing(ids, wanted, at=until))
    grants = [drawable(grant) for grant in book.grants]
    book.put(allocate_after(closings, needs, grants, book.posted, rollovers_of(book)))


def _needs(
    one: _Wanting, windows: Sequence[WindowsOfGroup], *, then: Sequence[Sequence[Decimal]] | None = None
) -> list[Need]:
    """What is wanted by now, or ``then``, when the groups came to other amounts."""
    found = [
        Need(
            key=NeedKey(0, fee.period_start, fee.id),
            subscription_id=fee.subscription_id,
            usage_type_id="",
            quantity=fee.amount,
        )
        for fee in one.fees
    ]
    one.book.unstored.clear()
    amounts_of = [group.amounts for group in one.groups] if then is None else then
    for group, amounts, of_segments in zip(one.groups, amounts_of, windows, strict=True):
        segments = [
            ChargedSegment(summary_id=_id_of(one.book, group, segment), amount=amount, windows=of_segment)
            for segment, amount, of_segment in zip(group.segments, amounts, of_segments, strict=True)
        ]
        found += [
            Need(
                key=NeedKey(part.summary_id, part.start),
                subscription_id=group.contract.id,
                usage_type_id=group.usage_type,
                quantity=part.amount,
            )
            for part in wanted(segments, group.price, currency=group.contract.currency, earlier=then is not None)
        ]
    return found


def _id_of(book: Allocation, group: ChargedGroup, segment: SegmentOfType) -> int:
    """The id of its summary; below 0 where that is not stored yet."""
    if segment.counted.id > 0:
        return segment.counted.id
    return book.unstored.setdefault((group.contract.id, group.usage_type, segment.part.start), -1 - len(book.unstored))
