"""What grants have that carry over: from a grant that recurs, from an allowance, or from all that a reset ended."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from usage_billing.core.decimals import EXACT, PLACES, sum_of
from usage_billing.prepaid.ledger import cost_moved
from usage_billing.prepaid.rollover import Rollover
from usage_billing.rating.currency import minor_unit
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import Grant, GrantStatus, Wallet

_NOTHING = Decimal(0)


def rollovers_of(book: Allocation) -> list[Rollover]:
    """The grants of a wallet that carry over from one that is not closed, or are not and carry over an allowance."""
    places = places_of(book.wallet)
    by_id: dict[UUID | None, Grant] = {grant.id: grant for grant in book.grants}
    found = [
        Rollover(
            grant_id=grant.id,
            source_id=None,
            begins=grant.effective_at,
            whole=book.unused[grant.id],
            places=places,
            settled=book.unused[grant.id],
        )
        for grant in book.grants
        if grant.id in book.unused
    ]
    found += [
        Rollover(
            grant_id=grant.id,
            source_id=source.id,
            begins=grant.effective_at,
            whole=source.amount,
            places=places,
            # A reset leaves nothing to the next occurrence.
            at_most=grant.rollover_max if source.reset_at is None else _NOTHING,
            percent=grant.rollover_percent,
        )
        for grant in book.grants
        if (source := by_id.get(grant.rolls_from)) is not None and source.status == GrantStatus.ACTIVE
    ]
    booked = booked_parts(book.grants)
    for id, sources in kept_from(book.grants).items():
        going = [source for source in sources if source.status == GrantStatus.ACTIVE]
        if going:
            found += _kept(by_id[id], going, booked, places=places)
    return found


def _kept(
    grant: Grant, sources: Sequence[Grant], booked: Mapping[tuple[UUID | None, UUID], Decimal], *, places: int
) -> list[Rollover]:
    """What a reset kept of grants that are not closed, after what it has of those that are."""
    fixed = EXACT.subtract(grant.amount, sum_of(booked[source.id, grant.id] for source in sources))
    parts: list[tuple[UUID | None, Decimal | None]] = [(None, fixed)] if fixed else []
    parts += [(source.id, None) for source in sources]
    return [
        Rollover(
            grant_id=grant.id,
            source_id=source_id,
            begins=grant.effective_at,
            whole=grant.amount,
            places=places,
            at_most=grant.rollover_max,
            settled=settled,
        )
        for source_id, settled in parts
    ]


def kept_from(grants: Iterable[Grant]) -> dict[UUID, list[Grant]]:
    """By the grant that has what a reset kept: those of ``grants`` that it is from, the first to give first.

    What cost most a unit is kept first, and so what was bought before what was given; then what pays last.
    """
    found: dict[UUID, list[Grant]] = {}
    for grant in sorted(grants, key=lambda one: drawable(one).burn_order, reverse=True):
        if grant.kept_in is not None:
            found.setdefault(grant.kept_in, []).append(grant)
    for sources in found.values():
        sources.sort(key=_dearest)
    return found


def _dearest(grant: Grant) -> tuple[Fraction, bool]:
    return -drawable(grant).unit_cost, grant.cost_currency is None


def booked_parts(grants: Sequence[Grant]) -> dict[tuple[UUID | None, UUID], Decimal]:
    """How much the ledger has carried over by now from which grant to which: by source and grant."""
    found: dict[tuple[UUID | None, UUID], Decimal] = {
        (grant.rolls_from, grant.id): grant.amount for grant in grants if grant.rolls_from or grant.unused_of
    }
    to_next = {grant.rolls_from: grant.amount for grant in grants if grant.rolls_from is not None}
    for grant in grants:
        if grant.kept_in is not None:
            found[grant.id, grant.kept_in] = EXACT.subtract(grant.rolled_over, to_next.get(grant.id, _NOTHING))
    return found


def cost_by_now(book: Allocation, grant: Grant) -> Decimal:
    """What a grant cost; of one that has what a reset kept, while that follows late usage, what that cost."""
    if grant.cost_currency is None or grant.id not in book.carried:
        return grant.cost
    booked, changes = booked_parts(book.grants), [grant.cost]
    for source in kept_from(book.grants).get(grant.id, ()):
        pair = (source.id, grant.id)
        if pair in book.parts:
            whole = cost_by_now(book, source), book.amount_of(source)
            changes.append(_part_of(source, whole, book.parts[pair]))
            changes.append(EXACT.minus(_part_of(source, (source.cost, source.amount), booked[pair])))
    return sum_of(changes)


def _part_of(source: Grant, whole: tuple[Decimal, Decimal], part: Decimal) -> Decimal:
    """What of the cost of a grant goes over with a part, which leaves it before what it pays for."""
    if source.cost_currency is None:
        return _NOTHING
    before = EXACT.subtract(source.out, EXACT.add(source.posted, source.rolled_over))
    after = EXACT.add(before, part)
    return cost_moved(*whole, before=before, after=after, places=minor_unit(source.cost_currency))


def places_of(wallet: Wallet) -> int:
    """To how many decimal places its amounts are rounded."""
    return PLACES if wallet.currency is None else minor_unit(wallet.currency)
