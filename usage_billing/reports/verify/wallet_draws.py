"""What is posted in wallets in units: after the rule, not beyond what usage wants, and charged as it is posted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.drawn import paid_in_time
from usage_billing.reports.verify.drawn_words import HOLDS, NOTHING, Payer, Place, Wants
from usage_billing.reports.verify.wallet_books import WalletBook, books, closings_of, gross_of, latest_of

_IN = {"sold", "given", "returned", "rolled_in", "rolled_back"}


def draw_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with what grants in units paid for; of one subscription in the wallets of its customer."""
    for book in books(session, only):
        replay = _Replay(session, book)
        yield from replay.differences()
        yield from _charged(session, book, replay)


@dataclass(slots=True)
class _Replay:
    """The postings of a wallet in their order: after each, what is free of each grant, and paid for of each window."""

    session: Session
    book: WalletBook
    free: dict[UUID, Fraction] = field(default_factory=dict)
    paid: dict[tuple[Place, UUID], Fraction] = field(default_factory=dict)
    sums: dict[Place, Fraction] = field(default_factory=dict)
    wants: dict[Place, Wants] = field(default_factory=dict)
    last: dict[int, Any] = field(default_factory=dict)

    def differences(self) -> Iterator[Difference]:
        """What is wrong with postings of usage that is as it was then, and with all that is posted."""
        self.wants = {one.place: one for one in self.book.wants}
        for together in self.book.transfers:
            for one in together:
                self._enter(one)
            for one in together:
                known = one.summary_id in self.book.usage and self._is_known(one.summary_id)
                if known and one.kind == "used" and one.grant_id in self.book.payers:
                    yield from self._passed_over(one, together)
        for place in sorted(self.sums):
            usage = self.book.usage.get(place.summary_id)
            if usage is None or usage.to_rate or usage.drafted:
                continue
            units, wanted = self._paid_for(place), self._wanted(place)
            last = self.last[place.summary_id]
            # Of a meter whose values do not add up, other recordings than its own may have moved what it comes to.
            if units > wanted and (not usage.adds_up or (last.events, last.voids) == (usage.events, usage.voids)):
                message = (
                    f"{_told(units)} of it are posted from {place.start:%Y-%m-%dT%H:%MZ}, it wants {_told(wanted)}"
                )
                yield Difference("wallet_beyond", f"summary:{place.summary_id}", message)

    def _enter(self, one: Any) -> None:
        units = Fraction(one.amount) if one.kind in _IN else -Fraction(one.amount)
        self.free[one.grant_id] = self.free.get(one.grant_id, NOTHING) + units
        if one.summary_id is not None:
            key = Place(one.summary_id, one.window_start), one.grant_id
            self.paid[key] = self.paid.get(key, NOTHING) - units
            self.sums[key[0]] = self._paid_for(key[0]) - units
            self.last[one.summary_id] = one

    def _passed_over(self, one: Any, together: list[Any]) -> Iterator[Difference]:
        """A grant that did not pay though it comes first or usage lacked it, and that no other usage can have had."""
        place, took = Place(one.summary_id, one.window_start), self.book.payers[one.grant_id]
        wants = self.wants.get(place)
        if wants is None or took.round_for(wants) is None:
            return  # beyond what it wants, or out of scope or time: told as that
        lacks = self._wanted(place) - self._paid_for(place)
        spent = {other.grant_id for other in together if other.kind == "used"}
        had = [id for id in self.book.payers if self.free.get(id) or id in spent]
        for other in sorted((self.book.payers[id] for id in had), key=lambda payer: payer.turn):
            turn = other.round_for(wants)
            # What came to close was settled then, whatever was made before it was closed.
            if turn is None or self.book.openings[other.id] > one.id or not other.was_there(took.closes_at):
                continue
            first = (turn, other.turn) < (took.round_for(wants), took.turn)
            # Where all is posted that is paid for, what it lacks no grant could pay.
            least = (NOTHING if self.is_whole(one) else lacks) if first or (lacks > 0 and self.is_whole(one)) else None
            free = self.free.get(other.id, NOTHING) + self._spent_later(other, wants, together)
            if least is not None and free > least and free > least + self._others(other, wants):
                if first:
                    message = f"it paid for summary {place.summary_id}, while {_told(free)} were free of {other.id}"
                    yield Difference("wallet_order", f"grant:{took.id}", f"{message}, which comes first")
                else:
                    message = f"{_told(lacks)} of it were charged, while {_told(free)} were free of grant {other.id}"
                    yield Difference("wallet_idle", f"summary:{place.summary_id}", message)
                return

    def is_whole(self, one: Any) -> bool:
        """Whether all that pays for a summary was posted together: not by a grant that closed."""
        if one.invoice_id is not None:
            return bool(one.invoice_status != "void")
        payer = self.book.payers.get(one.grant_id)
        return one.kind == "used" and payer is not None and payer.closes_at is None

    def _spent_later(self, other: Payer, wants: Wants, together: list[Any]) -> Fraction:
        """What a grant paid at the same time for windows whose turn comes later."""
        turn, spent = (other.round_for(wants), wants.turn), NOTHING
        for one in together:
            if one.kind == "used" and one.grant_id == other.id and one.summary_id in self.book.usage:
                later = self.wants.get(Place(one.summary_id, one.window_start))
                round_of_later = None if later is None else other.round_for(later)
                if later is not None and round_of_later is not None and (round_of_later, later.turn) > turn:
                    spent += Fraction(one.amount)
        return spent

    def _others(self, other: Payer, wants: Wants) -> Fraction:
        """More than other windows can have wanted of a grant before this one."""
        latest = latest_of(self.session, self.book, wants.place.summary_id)
        if other.closes_at is not None and latest is not None and latest >= other.closes_at:
            return self.free[other.id]
        rivals = [id for id, usage in self.book.usage.items() if self._may_want(other, wants, usage)]
        gross = gross_of(self.session, self.book, rivals)
        rest = NOTHING
        for id in rivals:
            windows = {place for place in self.sums if place.summary_id == id} - {wants.place}
            whole = gross.get(id, NOTHING)
            if id == wants.place.summary_id or self._is_known(id):
                windows |= {place for place in self.wants if place.summary_id == id} - {wants.place}
                whole = sum((self._wanted(place) for place in windows), NOTHING)
            rest += max(whole - sum((self._paid_for(place) for place in windows), NOTHING), NOTHING)
        return rest

    def _is_known(self, summary_id: int) -> bool:
        """Whether the books still show the usage of a summary as it was when something of it was posted last.

        A level goes on without recordings, and one segment of a period moves with those of another.
        """
        usage, last = self.book.usage[summary_id], self.last.get(summary_id)
        if last is None or usage.to_rate or not (usage.adds_up or usage.is_alone):
            return False
        return bool((last.events, last.voids) == (usage.events, usage.voids))

    def _may_want(self, other: Payer, wants: Wants, usage: Any) -> bool:
        row = Wants(Place(usage.id, usage.period_start), usage.subscription_id, usage.usage_type_id, NOTHING)
        earlier = usage.period_start <= wants.place.start or other.round_for(wants) != HOLDS
        return other.is_for(row) and earlier and (other.end is None or usage.period_start < other.end)

    def _wanted(self, place: Place) -> Fraction:
        found = self.wants.get(place)
        return NOTHING if found is None else found.units

    def _paid_for(self, place: Place) -> Fraction:
        return self.sums.get(place, NOTHING)


def _charged(session: Session, book: WalletBook, replay: _Replay) -> Iterator[Difference]:
    """Usage of which all is posted that was paid for is charged as that says.

    Where more or less is paid for by now, or the usage is to be rated or on a draft, the next run puts it right.
    """
    posted = {key: units for key, units in replay.paid.items() if units > 0}
    payers = list(book.payers.values())
    should = paid_in_time(closings_of(session, book), book.wants, payers, posted, book.unused, book.owing)
    for id, last in sorted(replay.last.items()):
        usage = book.usage.get(id)
        if usage is None or usage.to_rate or usage.drafted or not replay.is_whole(last):
            continue
        stands = {key: units for key, units in posted.items() if key[0].summary_id == id}
        units = sum(stands.values(), NOTHING)
        moves = stands != {key: paid for key, paid in should.items() if key[0].summary_id == id}
        if not moves and units != Fraction(usage.covered):
            message = f"{_told(units)} of it are posted, it is charged as if {_told(Fraction(usage.covered))} were"
            yield Difference("wallet_covered", f"summary:{id}", message)
    yield from _owed(book, posted, should)


def _owed(
    book: WalletBook, posted: Mapping[tuple[Place, UUID], Fraction], should: Mapping[tuple[Place, UUID], Fraction]
) -> Iterator[Difference]:
    """What is posted as owed, where it does not move, is what no grant paid for, and no more than the overdraft."""
    if book.owing is None:
        return
    line = book.owing.line
    owed = {key: units for key, units in posted.items() if key[1] == line}
    if owed == {key: units for key, units in should.items() if key[1] == line}:
        units = sum(owed.values(), NOTHING)
        if units > book.owing.most:
            message = f"{_told(units)} are owed, its overdraft is {_told(book.owing.most)}"
            yield Difference("wallet_owed", f"wallet:{book.id}", message)


def _told(units: Fraction) -> str:
    return f"{Decimal(units.numerator) / Decimal(units.denominator):f}"
