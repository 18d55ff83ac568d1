"""What billing reads and writes while it charges subscriptions: the books themselves, or a picture of them in memory.

The same rules charge both. ``stored_books`` locks what it reads and stores what it is told, for a run.
``foreseen_books`` only reads, and keeps what it is told in memory, for a look at what would come.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

from usage_billing.catalog.fees import FeeBook
from usage_billing.catalog.models import Plan
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.flows.billing.apply_terms import SummaryTerms
from usage_billing.flows.billing.open_periods import Opening
from usage_billing.invoicing.fees import DueFee
from usage_billing.invoicing.items import NewItem
from usage_billing.invoicing.queries import History, InvoiceKey, StandingInvoice
from usage_billing.invoicing.service import NewDraft
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.packages.charges import DuePurchase
from usage_billing.rating.pricing.cell_totals import SegmentSeries
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.openings import BilledSubscription


class Agreements(NamedTuple):
    """What was agreed with some subscriptions: they and their terms, by id, plans by id, quotas and fees."""

    subscriptions: dict[str, BilledSubscription]
    timelines: dict[str, Timeline]
    plans: dict[str, Plan]
    quotas: QuotaBook
    fees: FeeBook

    @property
    def currencies(self) -> dict[str, str]:
        """The currency of each subscription."""
        return {one.id: self.plans[one.plan_id].currency for one in self.subscriptions.values()}

    def of(self, names: Collection[str]) -> "Agreements":
        """What was agreed with some of them; it shares them with this."""
        return self._replace(
            subscriptions={name: self.subscriptions[name] for name in names},
            timelines={name: self.timelines[name] for name in names},
        )


@dataclass(slots=True)
class DeskWork:
    """Changes to drafts: new ones with their totals, items added, changed and removed; ``touched`` has all drafts."""

    drafts: list[NewDraft] = field(default_factory=list)
    totals: dict[UUID, Decimal] = field(default_factory=dict)
    added: list[NewItem] = field(default_factory=list)
    changed: list[NewItem] = field(default_factory=list)
    removed: list[UUID] = field(default_factory=list)
    touched: set[UUID] = field(default_factory=set)


class Books(Protocol):
    """The books of some subscriptions, while they are charged."""

    def open(self, opening: Opening) -> None:
        """Take in what is due without any usage."""
        ...

    def unrated(self, ids: Collection[str], *, as_of: datetime, cut: Collection[str]) -> Sequence[UnratedSummary]:
        """The summaries to rate that began by ``as_of``; of the subscriptions ``cut`` with their neighbours."""
        ...

    def uncharged(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DueFee]:
        """The fees to charge whose segments began by ``as_of``."""
        ...

    def unpaid(self, ids: Collection[str], *, as_of: datetime) -> Sequence[DuePurchase]:
        """The purchases to charge that were made by ``as_of``."""
        ...

    def move(self, wanted: Sequence[tuple[UnratedSummary, Decimal | None]]) -> None:
        """Divide the recordings of each summary at the allowance beside it, and let the summary say so."""
        ...

    def seen(self, summaries: Sequence[UnratedSummary], terms: Mapping[int, SummaryTerms]) -> Sequence[UnratedSummary]:
        """Those of these summaries that are charged, as they are charged."""
        ...

    def parts(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Sequence[Decimal]]:
        """How much of each recording of these summaries lies beyond, in the order recorded, by summary id."""
        ...

    def series(self, periods: Sequence[MeteredSegments]) -> Sequence[Sequence[SegmentSeries]]:
        """What each series came to in each segment of each of these billing periods of meters."""
        ...

    def covered(self, summaries: Sequence[UnratedSummary]) -> Mapping[int, Decimal]:
        """How many units beyond in these summaries were paid for beforehand, by summary id; none has no entry."""
        ...

    def history(
        self, *, summary_ids: Collection[int], fee_ids: Collection[int], purchase_ids: Collection[int]
    ) -> History:
        """What was charged and drafted for these causes."""
        ...

    def standing(self, since: Mapping[str, datetime]) -> dict[InvoiceKey, StandingInvoice]:
        """The invoices of these subscriptions that close at or after the instant given, and open corrections."""
        ...

    def write(self, work: DeskWork) -> None:
        """Take in changes to drafts."""
        ...

    def settle(
        self, summaries: Sequence[UnratedSummary], fees: Sequence[DueFee], purchases: Sequence[DuePurchase]
    ) -> None:
        """Note that these were charged; ``summaries`` is what ``unrated`` gave."""
        ...
