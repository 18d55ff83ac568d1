"""What grants in money pay of drafts: what they pay of each cause by now, less what final invoices said before.

An invoice says no more than is charged on it and on final ones: what usage wants that came since it was rated is paid
on the next.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.drawing.applied import Applied, applied_before, applied_to, causes_on, settled_causes, unpaid_of
from usage_billing.invoicing.prepaid import PayableCause, PrepaidLine, PrepaidLines
from usage_billing.prepaid.burn_down import Cause
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.drawable import drawable

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepayment:
    """What grants in money pay, by draft; ``placed`` has the draft on which each cause is paid for.

    ``before`` is what final invoices said of them.
    """

    lines: PrepaidLines = field(default_factory=dict)
    placed: Mapping[Cause, UUID] = field(default_factory=dict)
    before: Applied = field(default_factory=dict)

    def of(self, draft_ids: Collection[UUID]) -> PrepaidLines:
        """Those of some drafts."""
        return {id: lines for id, lines in self.lines.items() if id in draft_ids}

    def posted_with(self, draft_ids: Collection[UUID]) -> dict[Cause, UUID | None]:
        """The causes that are paid for when these drafts become final, each with its draft."""
        return {cause: id for cause, id in self.placed.items() if id in draft_ids}

    def said_with(self, draft_ids: Collection[UUID]) -> dict[tuple[Cause, UUID], Decimal]:
        """What invoices say that each grant paid of each cause once these drafts are final."""
        said = dict(self.before)
        for lines in self.of(draft_ids).values():
            for line in lines:
                place = (line.of.cause, line.grant_id)
                said[place] = EXACT.add(said.get(place, _NOTHING), line.amount)
        return said


class Draft(Protocol):
    """A draft, stored or not."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def subscription_id(self) -> str | None:
        """Whose it is."""


def plan_stored(
    session: Session, found: Sequence[Allocation], drafts: Sequence[Draft], *, ended_before: datetime
) -> Prepayment:
    """What grants pay of these stored drafts, by draft; nothing is read where no wallet is in money.

    On the first draft of a subscription comes too what they pay of its charges that were invoiced before, in periods
    that ended before ``ended_before``: what reaches back, or goes back, though nothing of its amount changes.
    """
    books = in_money(found)
    if not books or not drafts:
        return Prepayment()
    on = causes_on(session, [draft.id for draft in drafts])
    first = _first_of(drafts)
    drawn = _drawn(session, books, first)
    late = settled_causes(session, drawn - {one.cause for one in on}, first, ended_before=ended_before)
    placed = {one.cause: (one, one.invoice_id or first[one.subscription_id]) for one in (*late, *on)}
    before = applied_before(session, placed)
    lines = _within(session, books, _lines(books, placed, before), drafts)
    return Prepayment(lines=lines, placed={cause: id for cause, (_, id) in placed.items()}, before=before)


def in_money(found: Sequence[Allocation]) -> list[Allocation]:
    """Those of these wallets that hold money."""
    return [book for book in found if book.wallet.currency is not None]


def plan_foreseen(
    session: Session,
    books: Sequence[Allocation],
    drafts: Sequence[Draft],
    placed: Mapping[Cause, tuple[PayableCause, UUID]],
    *,
    drafted: Collection[Cause],
    ended_before: datetime,
) -> dict[UUID, list[PrepaidLine]]:
    """What grants in money pay of drafts in memory, by draft, as ``plan_stored`` says it of those that are stored.

    Each cause that is ``placed`` is charged on the draft beside it, with what it comes to at this moment. ``drafted``
    are those on any draft in memory.
    """
    first = _first_of(drafts)
    drawn = _drawn(session, books, first) - set(drafted)
    late = settled_causes(session, drawn, first, ended_before=ended_before, foreseen=True)
    paid = {one.cause: (one, first[one.subscription_id]) for one in late} | dict(placed)
    return _lines(books, paid, applied_before(session, paid))


def _first_of(drafts: Sequence[Draft]) -> dict[str, UUID]:
    """The first draft of each subscription."""
    first: dict[str, UUID] = {}
    for draft in drafts:
        first.setdefault(draft.subscription_id or "", draft.id)
    return first


def _drawn(session: Session, books: Sequence[Allocation], subscription_ids: Collection[str]) -> set[Cause]:
    """Everything of which grants pay, or paid by final invoices of these subscriptions."""
    drawn = {key.need.cause for book in books for key in (*book.draws, *book.posted)}
    # What came back by now may stand on no draw any more.
    by_now, said = drawn_by_cause(books), applied_to(session, subscription_ids)
    return drawn | {place[0] for place, amount in said.items() if by_now.get(place, _NOTHING) != amount}


def _lines(
    books: Sequence[Allocation], placed: Mapping[Cause, tuple[PayableCause, UUID]], before: Applied
) -> dict[UUID, list[PrepaidLine]]:
    by_now = drawn_by_cause(books)
    wallet_of = {grant.id: book.wallet.id for book in books for grant in book.grants}
    lines: dict[UUID, list[PrepaidLine]] = {}
    for cause, grant_id in sorted({*by_now, *before}):
        if cause not in placed or grant_id not in wallet_of:
            continue
        amount = EXACT.subtract(by_now.get((cause, grant_id), _NOTHING), before.get((cause, grant_id), _NOTHING))
        if amount:
            of, draft_id = placed[cause]
            line = PrepaidLine(of=of, wallet_id=wallet_of[grant_id], grant_id=grant_id, amount=amount)
            lines.setdefault(draft_id, []).append(line)
    return lines


def _within(
    session: Session, books: Sequence[Allocation], lines: PrepaidLines, drafts: Sequence[Draft]
) -> dict[UUID, list[PrepaidLine]]:
    """Of these lines as much as is charged together with their cause: what goes back first, then the burn order."""
    causes = {line.of.cause for of_draft in lines.values() for line in of_draft}
    together = unpaid_of(session, causes, [draft.id for draft in drafts]) if causes else {}
    left = dict(together.values())
    order = {grant.id: drawable(grant).burn_order for book in books for grant in book.grants}
    all_lines = [(id, line) for id, of_draft in lines.items() for line in of_draft]
    found: dict[UUID, list[PrepaidLine]] = {}
    for id, line in sorted(all_lines, key=lambda one: (one[1].amount > 0, order[one[1].grant_id], one[1].of.cause)):
        group = together[line.of.cause][0]
        amount = min(line.amount, max(left[group], _NOTHING))
        left[group] = EXACT.subtract(left[group], amount)
        if amount:
            found.setdefault(id, []).append(replace(line, amount=amount))
    return found


def drawn_by_cause(books: Sequence[Allocation]) -> dict[tuple[Cause, UUID], Decimal]:
    """What each grant pays of each summary and fee."""
    found: dict[tuple[Cause, UUID], Decimal] = {}
    for book in books:
        for key, amount in book.draws.items():
            place = (key.need.cause, key.grant_id)
            found[place] = EXACT.add(found.get(place, _NOTHING), amount)
    return found
