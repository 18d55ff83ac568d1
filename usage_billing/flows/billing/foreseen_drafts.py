"""Drafts in memory: those that are stored, and what would become of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from usage_billing.core.decimals import sum_of
from usage_billing.core.giving_way import in_turns
from usage_billing.core.periods import Period
from usage_billing.flows.billing.books import DeskWork
from usage_billing.invoicing.causes import Cause, cause_of
from usage_billing.invoicing.items import NewItem
from usage_billing.invoicing.lifecycle import InvoiceKind, InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.queries import DraftItem, InvoiceKey, StandingInvoice, copy_of
from usage_billing.invoicing.service import NewDraft

_NOTHING = Decimal(0)


@dataclass(slots=True)
class Draft:
    """A draft that is stored or would be, and its items by id; neither belongs to a session."""

    invoice: Invoice
    items: dict[UUID, UsageInvoiceItem] = field(default_factory=dict)

    @property
    def key(self) -> InvoiceKey:
        """(subscription, kind, when it is due to be final)."""
        return self.invoice.subscription_id or "", self.invoice.kind, self.invoice.closes_at


@dataclass(slots=True)
class ForeseenDrafts:
    """The drafts of some subscriptions as they would be, dated ``now`` where they would be new."""

    now: datetime
    drafts: dict[UUID, Draft] = field(default_factory=dict)

    def take_in(self, stored: Sequence[tuple[Invoice, list[UsageInvoiceItem]]]) -> None:
        """Begin with copies of drafts that are stored."""
        for invoice, items in stored:
            self.drafts[invoice.id] = Draft(copy_of(invoice), {item.id: item for item in items})

    def drafted(self, causes: Collection[Cause]) -> dict[Cause, DraftItem]:
        """The items that charge for these causes, and for cells of them."""
        wanted = {(cause.kind, cause.id) for cause in causes}
        found = (
            (cause_of(item), DraftItem(item.id, draft.invoice.id, draft.invoice.kind, item.amount))
            for draft in self.drafts.values()
            for item in draft.items.values()
        )
        return {cause: item for cause, item in found if (cause.kind, cause.id) in wanted}

    def standing(self) -> dict[InvoiceKey, StandingInvoice]:
        """The drafts by their keys."""
        return {draft.key: StandingInvoice(id, is_open=True) for id, draft in self.drafts.items()}

    def change(self, work: DeskWork) -> None:
        """Do what a desk decided; a draft that is left without items goes."""
        for new in work.drafts:
            self.drafts[new.id] = Draft(_draft(new, self.now))
        for draft in self.drafts.values():
            for id in work.removed:
                draft.items.pop(id, None)
        for item in in_turns((*work.changed, *work.added)):
            self.drafts[item.invoice_id].items[item.id] = _item(item, self.now)
        for id in [id for id in work.touched if not self.drafts[id].items]:
            del self.drafts[id]

    def bring_forward(self, subscription_id: str, *, final: Period) -> None:
        """Gather what is due at or after the end of ``final`` on one draft, due at that end."""
        late = sorted(
            (
                draft
                for draft in self.drafts.values()
                if draft.invoice.subscription_id == subscription_id
                and draft.invoice.kind == InvoiceKind.PERIOD
                and draft.invoice.closes_at >= final.end
            ),
            key=lambda draft: draft.invoice.closes_at,
        )
        for draft in late[1:]:
            late[0].items |= draft.items
            del self.drafts[draft.invoice.id]
        if late:
            last = late[0].invoice
            last.period_start, last.period_end = min(last.period_start, final.start), final.end
            last.closes_at = final.end

    def shown(self, subscription_id: str) -> list[tuple[Invoice, list[UsageInvoiceItem]]]:
        """The drafts of a subscription with their totals and items, ordered by when they are due to be final."""
        found = [draft for draft in self.drafts.values() if draft.invoice.subscription_id == subscription_id]
        for draft in found:
            draft.invoice.total = sum_of(item.amount for item in draft.items.values())
        found.sort(key=lambda draft: (draft.invoice.closes_at, draft.invoice.kind))
        return [(draft.invoice, sorted(draft.items.values(), key=_order)) for draft in found]


def _order(item: UsageInvoiceItem) -> tuple[datetime, str, UUID]:
    return item.period_start, item.usage_type_id or "", item.id


def _draft(new: NewDraft, now: datetime) -> Invoice:
    times = ("period_start", "period_end", "closes_at")
    return Invoice(
        **new._asdict() | {name: datetime.fromisoformat(getattr(new, name)) for name in times},
        status=InvoiceStatus.DRAFT,
        credit_applied=_NOTHING,
        tax=_NOTHING,
        prepaid_applied=_NOTHING,
        created_at=now,
    )


def _item(new: NewItem, now: datetime) -> UsageInvoiceItem:
    times = ("period_start", "period_end")
    return UsageInvoiceItem(
        **new._asdict()
        | {name: datetime.fromisoformat(getattr(new, name)) for name in times}
        | {"kind": str(new.kind), "events_hash": None},
        created_at=now,
    )
