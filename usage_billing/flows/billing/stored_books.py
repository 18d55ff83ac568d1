"""The books as a run has them: what it reads is locked, and what it decides is stored."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.billing_runs.pins import pins_of
from usage_billing.drawing.coverage import allocations
from usage_billing.flows.billing.apply_terms import SummaryTerms
from usage_billing.flows.billing.books import DeskWork
from usage_billing.flows.billing.facts import tell_drafts
from usage_billing.flows.billing.open_periods import Opening
from usage_billing.flows.billing.pinned import as_pinned
from usage_billing.invoicing.fees import DueFee, drop_other_fees, lock_uncharged, put_fees, settle_fees
from usage_billing.invoicing.items import add_items, change_items, remove_items
from usage_billing.invoicing.queries import History, InvoiceKey, StandingInvoice, history_of, standing_invoices
from usage_billing.invoicing.service import add_drafts, add_up, remove_empty
from usage_billing.metering.boundary import move_boundaries, parts_beyond
from usage_billing.metering.new_summaries import create_summaries
from usage_billing.metering.rewinding import parts_beyond_of
from usage_billing.metering.settling import lock_unrated, reopen, settle
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.cells import series_of
from usage_billing.meters.kept import sources_of
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.meters.progress import lagging
from usage_billing.meters.queries import ActiveMeter, true_meters
from usage_billing.meters.running import growing
from usage_billing.packages.charges import DuePurchase, lock_purchases, settle_purchases
from usage_billing.rating.pricing.cell_totals import SegmentSeries
from usage_billing.subscriptions.openings import save_openings
from usage_billing.wallets.allocation import covered_by
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import posted_beyond
from usage_billing.wallets.service import save_covered

_NOTHING = Decimal(0)


@dataclass(slots=True)
class StoredBooks:
    """Implements ``Books`` on locked subscriptions.

    Locks, in this order: the summaries to rate, their fees, purchases. Grants pay for usage as they do ``as_of`` an
    instant. One that is ``held_to`` a dry run charges of usage only the recordings that the dry run rated. ``folded``
    is what was brought up to date before, meters among it. ``wallets`` are those of the subscriptions' customers, and
    ``stale`` the summaries of which they pay for more or less than billing has rated.
    """

    session: Session
    as_of: datetime
    held_to: UUID | None = None
    folded: Mapping[str, ActiveMeter] = field(default_factory=dict)
    wallets: Sequence[Wallet] = ()
    stale: Sequence[int] = ()
    _charged: set[int] = field(default_factory=set)
    _rewound: dict[int, UnratedSummary] = field(default_factory=dict)
    _covered: dict[int, Decimal] = field(default_factory=dict)

    def open(self, opening: Opening) -> None:
        """Store fees, empty summaries, and from when on billing is to look again."""
        drop_other_fees(self.session, opening.looked, keep=opening.fees)
        put_fees(self.session, opening.fees)
        if opening.summaries:
            create_summaries(self.session, opening.summaries)
        save_openings(self.session, opening.subscriptions)

    def unrated(self, ids: Collection[str], *, as_of: datetime, cut: Collection[str]) -> Sequence[UnratedSummary]:
        """Lock what is to be rated; a meter's summary says whose recordings it counts."""
        found = lock_unrated(self.session, ids, as_of=as_of, cut=cut, also=self.stale)
        meters = true_meters(self.folded)
        counted = [summary for summary in found if summary.usage_type_id in meters]
        sources = sources_of(self.session, [summary.id for summary in counted]) if counted else {}
        for summary in counted:
            summary.sources = sources[summary.id]
        return found

    def uncharged(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DueFee]:
        """Lock what is to be charged."""
        return lock_uncharged(self.session, ids, as_of=as_of)

    def unpaid(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DuePurchase]:
        """Lock what is to be charged."""
        return lock_purchases(self.session, ids, as_of=as_of)

    def move(self, wanted: Sequence[tuple[UnratedSummary, Decimal | None]]) -> None:
        """Mark the recordings anew."""
        move_boundaries(self.session, wanted)

    def seen(self, summaries: Sequence[UnratedSummary], terms: Mapping[int, SummaryTerms]) -> Sequence[UnratedSummary]:
        """All of them as they are; of a held run those of the dry run, as they stood."""
        found = summaries
        if self.held_to is not None:
            pins = pins_of(self.session, self.held_to, {summary.subscription_id for summary in summaries})
            found = as_pinned(self.session, summaries, terms, pins)
        now = {summary.id: summary for summary in summaries}
        self._charged = {summary.id for summary in found if summary is now[summary.id]}
        self._rewound = {summary.id: summary for summary in found if summary is not now[summary.id]}
        return found

    def parts(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Sequence[Decimal]]:
        """As they are marked; of those that were rewound as they would have been."""
        stored = [summary.id for summary in summaries if summary.id not in self._rewound]
        marked = parts_beyond(self.session, stored)
        found: dict[int, Sequence[Decimal]] = {id: list(parts.values()) for id, parts in marked.items()}
        for summary in summaries:
            if summary.id in self._rewound:
                found[summary.id] = parts_beyond_of(self.session, summary)
        return found

    def series(self, periods: Sequence[MeteredSegments]) -> Sequence[Sequence[SegmentSeries]]:
        """As folds have counted them."""
        return series_of(self.session, periods)

    def covered(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Decimal]:
        """By the grants and the usage of this moment."""
        if not self.wallets:
            return {}
        customers = {wallet.customer_id for wallet in self.wallets}
        seen = {summary.id: summary.beyond_limit for summary in summaries}
        paid = covered_by(allocations(self.session, customers, now=self.as_of, beyond=seen, wallets=self.wallets))
        # Of a level that runs more may be posted than it comes to as of this run.
        self._covered = {id: min(paid.get(id, _NOTHING), beyond) for id, beyond in seen.items()}
        return self._covered

    def history(
        self, *, summary_ids: Collection[int], fee_ids: Collection[int], purchase_ids: Collection[int]
    ) -> History:
        """As it is stored."""
        return history_of(self.session, summary_ids=summary_ids, fee_ids=fee_ids, purchase_ids=purchase_ids)

    def standing(self, since: Mapping[str, datetime]) -> dict[InvoiceKey, StandingInvoice]:
        """As they are stored."""
        return standing_invoices(self.session, since)

    def write(self, work: DeskWork) -> None:
        """Store changes to drafts in few statements."""
        add_drafts(self.session, work.drafts, totals=work.totals)
        remove_items(self.session, work.removed)
        change_items(self.session, work.changed)
        add_items(self.session, work.added)
        # A new draft is stored with its total; the drafts that existed before are added up anew.
        before = work.touched - {draft.id for draft in work.drafts}
        add_up(self.session, before)
        if work.removed:
            remove_empty(self.session, before)
        tell_drafts(self.session, [draft.id for draft in work.drafts])

    def settle(
        self, summaries: Sequence[UnratedSummary], fees: Sequence[DueFee], purchases: Sequence[DuePurchase]
    ) -> None:
        """Note that billing has seen them; what a held run left, or charged only in part, stays to be rated."""
        settle(self.session, summaries)
        reopen(self.session, [summary.id for summary in summaries if summary.id not in self._charged])
        if self.folded:
            # What was recorded since they were brought up to date is still to be counted, levels go on, and what is
            # divided by time has its part of segments that are still to begin.
            ids = [summary.id for summary in summaries]
            shared = self._shared(summaries)
            reopen(self.session, {*lagging(self.session, ids), *growing(self.session, ids), *shared})
        if self.wallets:
            # A meter that was counted in this run may want less than is posted: the next look lets that go back.
            reopen(self.session, posted_beyond(self.session, [summary.id for summary in summaries]))
        save_covered(self.session, self._covered)
        settle_fees(self.session, fees)
        settle_purchases(self.session, purchases)

    def _shared(self, summaries: Sequence[UnratedSummary]) -> Iterator[int]:
        """Summaries whose value is divided by time, of periods that run, up to where such a period is still to be cut.

        Periods of two cadences may close together. So all that close then stay to be rated, not only the last of them.
        """
        together: dict[tuple[str, str, datetime], list[UnratedSummary]] = {}
        for summary in summaries:  # they are in order
            meter = self.folded.get(summary.usage_type_id)
            if meter is not None and meter.is_divided and summary.bills_at > self.as_of:
                together.setdefault((*summary.key[:2], summary.bills_at), []).append(summary)
        for found in together.values():
            if found[-1].period_end < found[-1].bills_at:
                yield from (summary.id for summary in found)
