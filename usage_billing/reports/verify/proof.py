"""The proof of one summary: its sums, its terms, and the items that charge it."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID

from usage_billing.core.decimals import EXACT, plain
from usage_billing.reports.verify.arithmetic import UNREADABLE, by_recording, due, price_of
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.ledger import NOTHING, Ledger
from usage_billing.reports.verify.periods import Follows
from usage_billing.reports.verify.tally import Tally

_NAMED = 3  # so many of the recordings that are wrong in one way are named
_MADE, _NO_NUMBER = "usage_quantity:made", "usage_quantity:number"
Sums = tuple[tuple[str, str, Decimal | int, Decimal | int], ...]


class Proof:
    """A summary, added up again: as it stands now, and as it stood when each of its items was written."""

    def __init__(self, summary: Any) -> None:
        self.summary = summary
        self.now = Tally(summary.allowance)
        self.items: list[tuple[Any, Tally]] = []
        self._wrong: dict[str, int] = {}
        self._named: dict[str, list[UUID]] = {}

    def expect(self, item: Any) -> None:
        """Add up for ``item`` too, as of when it was written. Called before the first recording is added."""
        each: list[Decimal] | None = [] if by_recording(price_of(item.quota_price) or {}) else None
        self.items.append((item, Tally(item.allowance, item.events, item.voids, each=each)))

    def add(self, row: Any) -> None:
        """Add the next recording; recordings come in the order recorded."""
        summary, place = self.summary, self.now.recorded + 1
        quantity = row.quantity if row.quantity.is_finite() else NOTHING
        mark = self.now.add(row.id, place, quantity, row.void)
        for _, tally in self.items:
            tally.add(row.id, place, quantity, row.void)
        for kind, wrong in (
            ("usage_mark", row.beyond_limit != mark),
            ("usage_ordinal", row.ordinal != place),
            (_MADE, row.made and not summary.makes),
            (_NO_NUMBER, not row.quantity.is_finite()),
            ("summary_boundary", row.void is None and self._is_beyond_wrongly(place, quantity, mark)),
            (
                "usage_period",
                row.void is None and not summary.period_start <= row.occurred_at < summary.period_end,
            ),
            (
                "usage_summary",
                (row.subscription_id, row.usage_type_id) != (summary.subscription_id, summary.usage_type_id),
            ),
        ):
            if wrong:
                self._wrong[kind] = self._wrong.get(kind, 0) + 1
                if self._wrong[kind] <= _NAMED:
                    self._named.setdefault(kind, []).append(row.id)

    def _is_beyond_wrongly(self, place: int, quantity: Decimal, mark: Decimal) -> bool:
        """Whether the boundary that the summary keeps, if it keeps one, is on the wrong side of a recording."""
        boundary = self.summary.boundary
        return boundary is not None and ((place < boundary and mark > 0) or (place > boundary and mark < quantity))

    def totals(self) -> Iterator[Difference]:
        """What is wrong with the summary's sums and with the marks of its recordings."""
        summary, now = self.summary, self.now
        for kind, name, stands, should in (
            ("summary_total", "total", summary.total, now.total),
            ("summary_beyond", "quantity beyond the limit", summary.beyond_limit, now.beyond),
            ("summary_events", "number of recordings", summary.events, now.recorded),
            ("summary_voids", "number taken back", summary.voids, now.taken_back),
            ("summary_beyond_events", "number of recordings beyond", summary.beyond_events, now.beyond_events),
        ):
            if stands != should:
                yield self.differs(kind, f"its {name} is {shown(stands)}, its usage gives {shown(should)}")
        if bytes(summary.events_hash) != now.hash:
            yield self.differs("summary_hash", "its fingerprint is not that of its recordings")
        for kind, what in (
            ("usage_mark", "recordings are not divided at the limit"),
            ("usage_ordinal", "recordings are not numbered from 1 without a gap"),
            (_MADE, "recordings have a quantity that was made, of a usage type that makes none"),
            (_NO_NUMBER, "recordings have a quantity that is no number"),
            ("summary_boundary", "recordings lie on the other side of the boundary that it keeps"),
            ("usage_period", "recordings lie outside its period"),
            ("usage_summary", "recordings are of another subscription or usage type"),
        ):
            if kind in self._wrong:
                names = ", ".join(map(str, self._named[kind])) + (" ..." if self._wrong[kind] > _NAMED else "")
                yield self.differs(kind.partition(":")[0], f"{self._wrong[kind]} {what}: {names}")

    def terms(self, follows: Follows | None) -> Iterator[Difference]:
        """What is wrong with the summary's span, quota and allowance.

        Billing brings them up to date when it rates the summary, so one that waits to be rated is passed over.
        """
        summary = self.summary
        if summary.to_rate or summary.frozen:
            return
        if follows is None:
            if summary.events > summary.voids or summary.allowance is not None:
                yield self.differs("summary_period", "no segment of its subscription begins where it does")
            return
        segment, quota = follows.segment, follows.quota
        if (summary.period_end, summary.bills_at) != (segment.end, segment.bills_at):
            message = f"it ends at {summary.period_end} and bills at {summary.bills_at}"
            yield self.differs("summary_period", f"{message}, not at {segment.end} and {segment.bills_at}")
        # A summary whose quota is gone keeps the quota that it was charged by.
        if quota is not None and summary.quota_id != quota.id:
            message = f"it was rated by quota {summary.quota_id}, quota {quota.id if quota else None} is in force"
            yield self.differs("summary_quota", message)
        # What another segment of the period came to since is taken off its budget when that is rated.
        if summary.allowance != follows.allowance and not follows.pending:
            message = f"its allowance is {shown(summary.allowance)}, the budget leaves it {shown(follows.allowance)}"
            yield self.differs("summary_allowance", message)

    def charges(self, follows: Follows | None) -> Iterator[Difference]:
        """What is wrong with its items, each by itself and all together."""
        summary = self.summary
        stale = summary.to_rate or (follows is not None and follows.pending)
        ledgers = {"": Ledger(stale)}
        for item, tally in self.items:
            owed_then = due_of(item, tally)
            yield from self.item(item, tally, owed_then)
            ledger = ledgers.setdefault(item.cell, Ledger(stale))
            yield from ledger.enter(item, billable=tally.beyond - item.covered, due=owed_then)
        try:
            owed = self._owed(follows)
        except UNREADABLE as error:
            yield self.differs("summary_price", f"its quota's price cannot be read: {error!r}")
            return
        for cell in dict.fromkeys((*ledgers, *owed)):
            ledger = ledgers.get(cell, Ledger(stale))
            yield from ledger.close(f"summary:{summary.id}", owed.get(cell, NOTHING))

    def sums(self, item: Any, tally: Tally) -> Sums:
        """What an item says of its recordings: kind of difference, name, what stands, what should."""
        return (
            ("item_events", "last recording", item.events, tally.recorded),
            ("item_events", "number taken back", item.voids, tally.taken_back),
            ("item_total", "total", item.total, tally.total),
            ("item_billable", "quantity beyond the limit", item.billable + item.covered, tally.beyond),
            ("item_billable", "number of recordings beyond", item.billable_events, tally.beyond_events),
        )

    def hash_of(self, tally: Tally) -> bytes | None:
        """The fingerprint that an item should have."""
        return tally.hash

    def item(self, item: Any, tally: Tally, due: Decimal | None) -> Iterator[Difference]:
        """What is wrong with one item; ``due`` is what was due when it was written."""
        subject = f"item:{item.id}"
        for kind, name, stands, should in self.sums(item, tally):
            if stands != should:
                yield Difference(kind, subject, f"its {name} is {shown(stands)}, its usage gives {shown(should)}")
        if (None if item.events_hash is None else bytes(item.events_hash)) != self.hash_of(tally):
            yield Difference("item_hash", subject, "its fingerprint is not that of its recordings")
        if not 0 <= item.covered <= tally.beyond:
            message = f"{shown(item.covered)} units of it were paid for beforehand, {shown(tally.beyond)} lie beyond"
            yield Difference("item_covered", subject, message)
        if price_of(item.price) != price_of(item.quota_price):
            yield Difference("item_price", subject, "its price is not that of its quota")
        elif due is None and not (tally.each is not None and item.before_recordings):
            yield Difference("item_price", subject, "its price cannot be read")
        if (item.subscription_id, item.usage_type_id, item.period_start) != (
            self.summary.subscription_id,
            self.summary.usage_type_id,
            self.summary.period_start,
        ):
            yield Difference("item_owner", subject, "its subscription, usage type or period is not its summary's")

    def _owed(self, follows: Follows | None) -> Mapping[str, Decimal]:
        """What is due by cell; without cells all of it is of the one that has no name."""
        if follows is not None and follows.cells is not None and self.summary.allowance is not None:
            return follows.cells
        return {"": self._due(follows)}

    def _due(self, follows: Follows | None) -> Decimal:
        summary = self.summary
        if summary.quota_id is None or summary.allowance is None:
            return NOTHING
        if follows is not None and follows.due is not None:
            return follows.due.amount
        billable = summary.beyond_limit - summary.covered
        return due(price_of(summary.price), billable, summary.beyond_events, currency=summary.currency)

    def differs(self, kind: str, message: str) -> Difference:
        """A difference of the summary, which the message begins with."""
        summary = self.summary
        where = f"{summary.subscription_id}, {summary.usage_type_id}, {summary.period_start.astimezone(UTC):%Y-%m-%d}"
        return Difference(kind, f"summary:{summary.id}", f"{where}: {message}")


def due_of(item: Any, tally: Tally) -> Decimal | None:
    """What was due when the item was written, by what is stored with it.

    None when its price cannot be read, or has a rule for each recording and those of earlier segments are not kept.
    """
    if item.allowance is None:
        return NOTHING
    if tally.each is not None and item.before_recordings:
        return None
    quantity, count = item.before_quantity + tally.beyond - item.covered, item.before_recordings + tally.beyond_events
    try:
        price = price_of(item.rated_price) or price_of(item.quota_price)
        come_to = due(price, quantity, count, currency=item.currency, each=tally.each or ())
    except UNREADABLE:
        return None
    return EXACT.subtract(come_to, item.before_amount)


def shown(value: Decimal | int | None) -> str:
    """A number in a message."""
    return "none" if value is None else plain(Decimal(value))
