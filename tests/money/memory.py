"""Books in plain lists, for the product's rules to charge: whole histories in milliseconds, without a database.

What PostgreSQL does for the product is done here in the simplest way: every summary and every fee is rated at every
run. So these books prove what is charged, and not which summaries a statement marks to be looked at again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import UUID

from usage_billing.core.decimals import sum_of
from usage_billing.flows.billing.apply_terms import SummaryTerms
from usage_billing.flows.billing.books import DeskWork
from usage_billing.flows.billing.foreseen_drafts import Draft, ForeseenDrafts
from usage_billing.flows.billing.foreseen_fees import ForeseenFees
from usage_billing.flows.billing.open_periods import Opening
from usage_billing.invoicing.builder import EarlierCharge
from usage_billing.invoicing.causes import Cause, fee_cause, summary_cause
from usage_billing.invoicing.fees import DueFee
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.models import UsageInvoiceItem
from usage_billing.invoicing.queries import History, InvoiceKey, StandingInvoice
from usage_billing.metering.digest import to_bytes
from usage_billing.metering.new_summaries import NewSummary
from usage_billing.metering.split import beyond_of_next
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.packages.charges import DuePurchase
from usage_billing.rating.pricing.cell_totals import SegmentSeries

NOTHING = Decimal(0)
GRACE = timedelta(hours=1)


class EveryFee(ForeseenFees):
    """All fees there are; a run charges each again, and finds nothing left to charge of most."""

    def settle(self, fees: Sequence[DueFee]) -> None:
        """They stay to be charged."""

    def spans(self) -> dict[int, tuple[datetime, datetime]]:
        """From when to when each fee is, by id."""
        return {fee.id: (fee.period_start, fee.period_end) for fee in self._fees.values()}


@dataclass(frozen=True, slots=True)
class Used:
    """A recording in a summary."""

    id: UUID
    at: datetime
    quantity: Decimal


@dataclass(slots=True)
class Memory:
    """Implements ``Books`` for one subscription. ``used`` has what counts, by summary id, in the order recorded."""

    drafts: ForeseenDrafts
    fees: EveryFee = field(default_factory=lambda: EveryFee([]))
    summaries: dict[int, UnratedSummary] = field(default_factory=dict)
    used: dict[int, list[Used]] = field(default_factory=dict)
    finals: list[Draft] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def open(self, opening: Opening) -> None:
        """Keep fees and empty summaries."""
        self.fees.drop(opening.looked, keep=opening.fees)
        self.fees.put(opening.fees)
        for new in opening.summaries:
            self.summary(new)

    def summary(self, new: NewSummary) -> UnratedSummary:
        """The summary of a segment, made if it is not there."""
        for summary in self.summaries.values():
            if summary.key == new.key:
                return summary
        made = UnratedSummary(
            id=next(self.numbers),
            subscription_id=new.key.subscription_id,
            usage_type_id=new.key.usage_type_id,
            period_start=new.key.period_start,
            period_end=new.period_end,
            bills_at=new.bills_at,
            quota_id=new.quota_id,
            allowance=new.allowance,
            total=NOTHING,
            beyond_limit=NOTHING,
            events=0,
            beyond_events=0,
            voids=0,
            events_hash=to_bytes(0),
            boundary=None,
            frozen=False,
        )
        self.summaries[made.id], self.used[made.id] = made, []
        return made

    def record(self, new: NewSummary, one: Used) -> None:
        """Count a recording."""
        summary = self.summary(new)
        self.used[summary.id].append(one)
        self._divide(summary, summary.allowance)

    def void(self, ids: Collection[UUID]) -> None:
        """Take recordings back."""
        for id, used in self.used.items():
            if any(one.id in ids for one in used):
                self.used[id] = [one for one in used if one.id not in ids]
                self._divide(self.summaries[id], self.summaries[id].allowance)

    def unrated(self, ids: Collection[str], *, as_of: datetime, cut: Collection[str]) -> Sequence[UnratedSummary]:
        """All that began."""
        return sorted((s for s in self.summaries.values() if s.period_start <= as_of), key=lambda s: s.key)

    def uncharged(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DueFee]:
        """All that began."""
        return self.fees.uncharged(ids, as_of=as_of)

    def unpaid(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DuePurchase]:
        """Nothing is bought here."""
        return []

    def move(self, wanted: Sequence[tuple[UnratedSummary, Decimal | None]]) -> None:
        """Divide each at the allowance beside it."""
        for summary, allowance in wanted:
            self._divide(summary, allowance)

    def _divide(self, summary: UnratedSummary, allowance: Decimal | None) -> None:
        summary.allowance = allowance
        summary.total = sum_of(one.quantity for one in self.used[summary.id])
        beyond = self._beyond(summary)
        summary.beyond_limit, summary.beyond_events = sum_of(beyond), len(beyond)

    def _beyond(self, summary: UnratedSummary) -> list[Decimal]:
        total, parts = NOTHING, list[Decimal]()
        for one in self.used[summary.id]:
            if part := beyond_of_next(total, one.quantity, summary.allowance):
                parts.append(part)
            total += one.quantity
        return parts

    def seen(
        self,
        summaries: Sequence[UnratedSummary],
        terms: Mapping[int, SummaryTerms],
    ) -> Sequence[UnratedSummary]:
        """As they are."""
        return summaries

    def parts(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Sequence[Decimal]]:
        """What of each recording lies beyond."""
        return {summary.id: self._beyond(summary) for summary in summaries}

    def covered(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Decimal]:
        return {}

    def series(self, periods: Sequence[MeteredSegments]) -> Sequence[Sequence[SegmentSeries]]:
        """No usage type here is a meter."""
        return [[SegmentSeries()] * len(one.spans) for one in periods]

    def history(
        self, *, summary_ids: Collection[int], fee_ids: Collection[int], purchase_ids: Collection[int]
    ) -> History:
        """What is on final invoices, and on drafts."""
        causes = [*map(summary_cause, summary_ids), *map(fee_cause, fee_ids)]
        charged: dict[Cause, EarlierCharge] = {}
        for final in self.finals:
            for item in final.items.values():
                cause = cause_of(item)
                before = charged.get(cause, EarlierCharge())
                charged[cause] = EarlierCharge(before.quantity + item.quantity, before.amount + item.amount)
        return History({cause: charged[cause] for cause in causes if cause in charged}, self.drafts.drafted(causes))

    def standing(self, since: Mapping[str, datetime]) -> dict[InvoiceKey, StandingInvoice]:
        """What is final and closes late enough, and the drafts."""
        final = {
            one.key: StandingInvoice(one.invoice.id, is_open=False)
            for one in self.finals
            if one.key[0] in since and one.invoice.closes_at >= since[one.key[0]]
        }
        return final | self.drafts.standing()

    def write(self, work: DeskWork) -> None:
        """Change drafts."""
        self.drafts.change(work)

    def settle(
        self, summaries: Sequence[UnratedSummary], fees: Sequence[DueFee], purchases: Sequence[DuePurchase]
    ) -> None:
        """They are rated again at every run."""

    def finalize(self, as_of: datetime) -> None:
        """Drafts become final after the grace time, those of changes at once; one without an amount goes."""
        for id, draft in list(self.drafts.drafts.items()):
            grace = timedelta(0) if draft.invoice.kind == InvoiceKind.CHANGE else GRACE
            if draft.invoice.closes_at + grace <= as_of:
                del self.drafts.drafts[id]
                if any(item.amount for item in draft.items.values()):
                    self.finals.append(draft)

    def charged(self) -> dict[tuple[str, datetime], Decimal]:
        """What stands on invoices in all, by usage type (or ``fee``) and beginning of the segment."""
        spans, found = self.fees.spans(), dict[tuple[str, datetime], Decimal]()
        for draft in (*self.finals, *self.drafts.drafts.values()):
            for item in draft.items.values():
                if item.summary_id is not None:
                    summary = self.summaries[item.summary_id]
                    key = (summary.usage_type_id, summary.period_start)
                else:
                    key = ("fee", spans[item.fee_id or 0][0])
                found[key] = found.get(key, NOTHING) + item.amount
        return {key: amount for key, amount in found.items() if amount}


def cause_of(item: UsageInvoiceItem) -> Cause:
    """What an item charges for."""
    return summary_cause(item.summary_id) if item.summary_id is not None else fee_cause(item.fee_id or 0)
