"""The books as they would be: read at one moment without a lock, and changed in memory alone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import count
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.db.session import once_while_agreed
from usage_billing.flows.billing.apply_terms import SummaryTerms
from usage_billing.flows.billing.books import Agreements, DeskWork
from usage_billing.flows.billing.foreseen_drafts import ForeseenDrafts
from usage_billing.flows.billing.foreseen_ends import ForeseenEnds, read_ends
from usage_billing.flows.billing.foreseen_fees import ForeseenFees
from usage_billing.flows.billing.foreseen_meters import let_meters_come_to, usage_made
from usage_billing.flows.billing.foreseen_summary import empty_summary, take_over
from usage_billing.flows.billing.open_periods import Opening
from usage_billing.invoicing.causes import fee_cause, purchase_cause, summary_cause
from usage_billing.invoicing.fees import DueFee, read_fees
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.queries import (
    History,
    InvoiceKey,
    StandingInvoice,
    history_of,
    open_drafts,
    standing_invoices,
)
from usage_billing.metering.boundary import find_moves, parts_beyond
from usage_billing.metering.new_summaries import NewSummary, stored_keys
from usage_billing.metering.rewinding import as_it_stood, parts_beyond_of
from usage_billing.metering.settling import read_unrated
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.cells import series_of
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.packages.charges import DuePurchase, read_purchases
from usage_billing.rating.pricing.cell_totals import SegmentSeries

_NOTHING = Decimal(0)


@dataclass(slots=True)
class ForeseenBooks:
    """Implements ``Books`` in memory; made by ``foreseen_books``.

    ``prices`` are those of summaries that are not stored, whose ids are below 0.
    """

    session: Session
    fees: ForeseenFees
    drafts: ForeseenDrafts
    summaries: dict[int, UnratedSummary]
    gone: Mapping[int, frozenset[UUID]]
    ends: ForeseenEnds
    prices: dict[int, Mapping[str, object] | None] = field(default_factory=dict)
    _unsettled: set[int] = field(default_factory=set)
    _paid: set[int] = field(default_factory=set)
    _marks: dict[int, dict[UUID, Decimal]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(-1, -1))

    def open(self, opening: Opening) -> None:
        """Keep fees and empty summaries in memory."""
        self.fees.drop(opening.looked, keep=opening.fees)
        self.fees.put(opening.fees)
        there = {summary.key for summary in self.summaries.values()}
        missing = [new for new in opening.summaries if new.key not in there]
        settled = stored_keys(self.session, [new.key for new in missing]) if missing else set()  # those were not read
        self._unsettled.update(self.make(new).id for new in missing if new.key not in settled)

    def make(self, new: NewSummary) -> UnratedSummary:
        """Keep an empty summary in memory."""
        made = empty_summary(next(self._ids), new)
        self.summaries[made.id] = made
        return made

    def unrated(self, ids: Collection[str], *, as_of: datetime, cut: Collection[str]) -> Sequence[UnratedSummary]:
        """What billing would lock; what is owed of a subscription that ends by then is charged."""
        self._unsettled |= self.summaries.keys() & self.ends.pass_to(as_of)
        begun = [s for s in self.summaries.values() if s.subscription_id in ids and s.period_start <= as_of]
        wanted = [summary for summary in begun if summary.id in self._unsettled]
        beside: dict[tuple[str, str], list[UnratedSummary]] = {}
        for summary in self.summaries.values():
            if summary.id in self._unsettled and summary.subscription_id in cut:
                beside.setdefault(summary.key[:2], []).append(summary)
        for summary in begun:
            if summary.id not in self._unsettled and any(
                other.period_start < summary.bills_at and summary.period_start < other.bills_at
                for other in beside.get(summary.key[:2], ())
            ):
                wanted.append(summary)
        return sorted(wanted, key=lambda summary: summary.key)

    def uncharged(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DueFee]:
        """What billing would lock."""
        return self.fees.uncharged(ids, as_of=as_of)

    def unpaid(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DuePurchase]:
        """What billing would lock."""
        key = ("purchases to charge", frozenset(ids))
        found = once_while_agreed(self.session, key, lambda: read_purchases(self.session, ids))
        return [one for one in found if one.sold_at <= as_of and one.id not in self._paid]

    def move(self, wanted: Sequence[tuple[UnratedSummary, Decimal | None]]) -> None:
        """Find the marks that billing would write, and keep them."""
        stored = [(summary, allowance) for summary, allowance in wanted if summary.id not in self.gone]
        for summary, allowance in wanted:
            if summary.id in self.gone:
                take_over(summary, self._without(summary, allowance))
        for (summary, allowance), move in zip(stored, find_moves(self.session, stored), strict=True):
            self._marks.setdefault(summary.id, {}).update(move.marks)
            summary.allowance, summary.boundary = allowance, move.boundary
            summary.beyond_limit, summary.beyond_events = move.beyond_limit, move.beyond_events

    def seen(self, summaries: Sequence[UnratedSummary], terms: Mapping[int, SummaryTerms]) -> Sequence[UnratedSummary]:
        """All of them as they are."""
        quotas = {id: found.quota for id, found in terms.items() if id < 0}
        self.prices |= {id: None if quota is None else quota.price for id, quota in quotas.items()}
        return summaries

    def parts(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Sequence[Decimal]]:
        """As they are marked, or would be."""
        stored = parts_beyond(self.session, [s.id for s in summaries if s.id > 0 and s.id not in self.gone])
        found: dict[int, Sequence[Decimal]] = {}
        for summary in summaries:
            if summary.id in self.gone:
                found[summary.id] = parts_beyond_of(self.session, summary, without=self.gone[summary.id])
            else:
                marks = stored.get(summary.id, {}) | self._marks.get(summary.id, {})
                found[summary.id] = [part for part in marks.values() if part]
        return found

    def series(self, periods: Sequence[MeteredSegments]) -> Sequence[Sequence[SegmentSeries]]:
        """As folds have counted them, and levels by now."""
        return series_of(self.session, periods, now=self.drafts.now)

    def covered(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Decimal]:
        """By the grants of this moment and the usage in memory; by those of an end once it has come."""
        seen = self.beyond | {summary.id: summary.beyond_limit for summary in summaries}
        return self.ends.covered(self.session, beyond=seen, moved=self.moved, made=usage_made(self))

    @property
    def beyond(self) -> dict[int, Decimal]:
        """What lies beyond in each summary in memory, by id."""
        return {summary.id: summary.beyond_limit for summary in self.summaries.values()}

    @property
    def moved(self) -> dict[UUID, Decimal]:
        """What would lie beyond of recordings that are not marked so yet, by id."""
        return {id: part for marks in self._marks.values() for id, part in marks.items()}

    def history(
        self, *, summary_ids: Collection[int], fee_ids: Collection[int], purchase_ids: Collection[int]
    ) -> History:
        """What final invoices charged, and what stands on the drafts in memory."""
        asked = {"summary_ids": summary_ids, "fee_ids": fee_ids, "purchase_ids": purchase_ids}
        key = ("charged", *map(frozenset, asked.values()))
        charged = once_while_agreed(self.session, key, lambda: history_of(self.session, **asked).charged)
        causes = (*map(summary_cause, summary_ids), *map(fee_cause, fee_ids), *map(purchase_cause, purchase_ids))
        return History(dict(charged), self.drafts.drafted(causes))

    def standing(self, since: Mapping[str, datetime]) -> dict[InvoiceKey, StandingInvoice]:
        """What is final as it is stored, and the drafts in memory."""
        # From the day on: an instant of now would be another question each time.
        days = {name: at.replace(hour=0, minute=0, second=0, microsecond=0) for name, at in since.items()}
        asked = ("standing invoices", frozenset(days.items()))
        found = once_while_agreed(self.session, asked, lambda: standing_invoices(self.session, days))
        final = {key: one for key, one in found.items() if not one.is_open and key[2] >= since[key[0]]}
        return final | self.drafts.standing()

    def write(self, work: DeskWork) -> None:
        """Change the drafts in memory."""
        self.drafts.change(work)

    def settle(
        self, summaries: Sequence[UnratedSummary], fees: Sequence[DueFee], purchases: Sequence[DuePurchase]
    ) -> None:
        """Charge them no second time."""
        self._paid |= {purchase.id for purchase in purchases}
        self._unsettled -= {summary.id for summary in summaries}
        self.fees.settle(fees)

    def bring_forward(self, subscription_id: str, *, final: Period) -> None:
        """Gather later drafts on the last invoice, as ``bring_drafts_forward`` does, unless that is final already."""
        closing = (subscription_id, InvoiceKind.PERIOD, final.end)
        standing = standing_invoices(self.session, {subscription_id: final.end}).get(closing)
        if standing is None or standing.is_open:
            self.drafts.bring_forward(subscription_id, final=final)

    def rate_anew(self, marked: Collection[int]) -> None:
        """Let ``marked`` be what is to be rated; what is gone counts no more."""
        self._unsettled = set(marked)
        for id in self.gone.keys() & self.summaries.keys():
            summary = self.summaries[id]
            take_over(summary, self._without(summary, summary.allowance))
            self._unsettled.add(id)

    def _without(self, summary: UnratedSummary, allowance: Decimal | None) -> UnratedSummary:
        return as_it_stood(
            self.session,
            summary,
            events=summary.events,
            voids=summary.voids,
            allowance=allowance,
            without=self.gone[summary.id],
        )


def foreseen_books(
    session: Session,
    agreements: Agreements,
    *,
    now: datetime,
    since: Mapping[str, datetime] | None = None,
    gone: Mapping[int, frozenset[UUID]] | None = None,
) -> ForeseenBooks:
    """The books of these subscriptions in memory, as of one moment if ``session`` is read only.

    What of a subscription ends after ``since`` is charged anew, as after a change of its terms. The recordings
    ``gone``, by summary id, count no more.
    """
    since = since or {}
    ids = list(agreements.subscriptions)
    ends = read_ends(session, agreements, now=now)
    read: dict[str, datetime | None] = {id: since.get(id) for id in ids}
    for usage in ends.stale:
        read[usage.subscription_id] = min(read[usage.subscription_id] or usage.period_start, usage.period_start)
    found, marked = read_unrated(session, read)
    again = {one.id for one in found if one.subscription_id in since and one.period_end > since[one.subscription_id]}
    again |= {usage.id for usage in ends.stale}
    opens = {one.id: one.opens_at for one in agreements.subscriptions.values()}
    fees = once_while_agreed(session, ("fees", frozenset(opens.items())), lambda: read_fees(session, opens))
    books = ForeseenBooks(
        session,
        ForeseenFees(fees, {plan.id: plan.name for plan in agreements.plans.values()}),
        ForeseenDrafts(now),
        {summary.id: summary for summary in found},
        gone or {},
        ends,
    )
    books.drafts.take_in(open_drafts(session, ids))
    let_meters_come_to(books, agreements, marked | again, now=now)
    books.rate_anew(marked | again | {id for id in books.summaries if id < 0})
    return books
