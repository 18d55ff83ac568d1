"""What a change of the terms of subscriptions would charge and give back, before it is made.

Each subscription is billed twice in memory, by its terms and by the changed ones, and the drafts are compared. What a
real change and the next runs do is what the second bill says, for it goes by the rules that bill.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT, plain
from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.billing.foreseen_books import ForeseenBooks, foreseen_books
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.flows.billing.slots import running_slot
from usage_billing.flows.billing.turns import Turn, without
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.metering.budget import divide
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.lifecycle import Timeline

_NOTHING = Decimal(0)


@dataclass(slots=True, kw_only=True)
class ForeseenItem:
    """What stands on an invoice of a usage type, or of a base fee (None), for what begins at ``period_start``."""

    usage_type_id: str | None
    kind: str
    period_start: datetime
    description: str
    amount_before: Decimal = _NOTHING
    amount: Decimal = _NOTHING

    @property
    def difference(self) -> Decimal:
        """What the change adds."""
        return EXACT.subtract(self.amount, self.amount_before)


@dataclass(slots=True, kw_only=True)
class ForeseenInvoice:
    """An invoice that the change alters: its items that differ, and its total without and with the change."""

    kind: str
    closes_at: datetime
    period_start: datetime
    period_end: datetime
    currency: str
    total_before: Decimal = _NOTHING
    total: Decimal = _NOTHING
    items: list[ForeseenItem] = field(default_factory=list)

    @property
    def difference(self) -> Decimal:
        """What the change adds."""
        return EXACT.subtract(self.total, self.total_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenAllowance:
    """What would be left of an allowance right after the change, in units; ``limit`` None: nothing is ever charged."""

    usage_type: str
    unit_name: str
    limit: Decimal | None
    used: Decimal
    remaining: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a change at ``at`` would do to the invoices that close by ``until``, and to the allowances."""

    at: datetime
    until: datetime
    invoices: Sequence[ForeseenInvoice]
    allowances: Sequence[ForeseenAllowance]

    @property
    def digest(self) -> str:
        """A hash over the instant, and over the invoices and amounts that differ."""
        lines = [as_text(self.at)]
        lines += ["|".join((*cause, plain(change), currency)) for cause, change, currency in self.charges()]
        return sha256("\n".join(lines).encode()).hexdigest()

    def charges(self) -> Iterator[tuple[tuple[str, ...], Decimal, str]]:
        """Each charge that differs: its invoice and its cause, what the change adds, and in which currency."""
        for invoice in self.invoices:
            # A correction is dated by the run that makes it.
            closing = "" if invoice.kind == InvoiceKind.CORRECTION else as_text(invoice.closes_at)
            for item in invoice.items:
                cause = (item.usage_type_id or "fee", item.kind, as_text(item.period_start))
                yield (invoice.kind, closing, *cause), item.difference, invoice.currency


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsChange:
    """A change of the terms of the subscriptions ``turns``, by id: what is agreed ``before`` and ``after`` it.

    The two share no subscription, for billing writes in them.
    """

    before: Agreements
    after: Agreements
    turns: Mapping[str, Turn]


def foresee(session: Session, change: TermsChange, *, now: datetime, adjust_within: timedelta) -> dict[str, Foreseen]:
    """What ``change`` would charge and give back, by subscription.

    Invoices are compared that close up to the end of the period that runs when the change takes effect, or now if that
    is later; by the terms by which it ends first. Nothing is locked or written, but as ``without`` says.
    """
    together: dict[tuple[datetime, datetime], list[str]] = {}
    for name, turn in change.turns.items():
        moment = max(turn.at, now)
        lines = (agreed.timelines[name] for agreed in (change.before, change.after))
        together.setdefault((moment, _until(lines, moment)), []).append(name)

    def billed(books: ForeseenBooks, agreements: Agreements) -> ForeseenBooks:
        for moments, names in together.items():
            those = agreements.of(names)
            for as_of in moments:
                charge_subscriptions(books, those, as_of=as_of, adjust_within=adjust_within)
        return books

    before = billed(foreseen_books(session, change.before, now=now), change.before)
    since = {name: turn.since for name, turn in change.turns.items()}
    with without(session, change.turns, now=now) as gone:
        after = foreseen_books(session, change.after, now=now, since=since, gone=gone)
        for name, turn in change.turns.items():
            if turn.last is not None:
                after.bring_forward(name, final=turn.last)
        billed(after, change.after)
        return {
            name: Foreseen(
                at=change.turns[name].at,
                until=until,
                invoices=_compare(before.drafts.shown(name), after.drafts.shown(name), until=until),
                allowances=list(_allowances(after, change.after, name, change.turns[name].at)),
            )
            for (_, until), names in together.items()
            for name in names
        }


def _until(timelines: Iterable[Timeline], moment: datetime) -> datetime:
    """When the first invoice of a period around ``moment`` closes; ``moment`` itself where none runs by any terms."""
    running = (running_slot(line, moment) for line in timelines)
    return min((slot.closes_at for slot in running if slot is not None), default=moment)


_Drafts = Sequence[tuple[Invoice, Sequence[UsageInvoiceItem]]]


def _compare(before: _Drafts, after: _Drafts, *, until: datetime) -> list[ForeseenInvoice]:
    found: dict[tuple[str, str], ForeseenInvoice] = {}
    items: dict[tuple[str, str, str, str, datetime], ForeseenItem] = {}
    for drafts, changed in ((before, False), (after, True)):
        for invoice, lines in drafts:
            if invoice.closes_at > until:
                continue
            closing = "" if invoice.kind == InvoiceKind.CORRECTION else as_text(invoice.closes_at)
            shown = found.setdefault((invoice.kind, closing), _invoice(invoice))
            if changed:
                shown.total = EXACT.add(shown.total, invoice.total)
                shown.period_start, shown.period_end = invoice.period_start, invoice.period_end
            else:
                shown.total_before = EXACT.add(shown.total_before, invoice.total)
            for line in lines:
                key = (invoice.kind, closing, line.usage_type_id or "", line.kind, line.period_start)
                if key not in items:
                    items[key] = _item(line)
                    shown.items.append(items[key])
                item = items[key]
                if changed:
                    item.amount, item.description = EXACT.add(item.amount, line.amount), line.description
                else:
                    item.amount_before = EXACT.add(item.amount_before, line.amount)
    for one in found.values():
        one.items = sorted((item for item in one.items if item.difference), key=_order)
    kept = (one for one in found.values() if one.items)
    return sorted(kept, key=lambda one: (one.closes_at, one.kind))


def _order(item: ForeseenItem) -> tuple[datetime, str, str]:
    return item.period_start, item.usage_type_id or "", item.kind


def _invoice(invoice: Invoice) -> ForeseenInvoice:
    return ForeseenInvoice(
        kind=invoice.kind,
        closes_at=invoice.closes_at,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        currency=invoice.currency,
    )


def _item(line: UsageInvoiceItem) -> ForeseenItem:
    return ForeseenItem(
        usage_type_id=line.usage_type_id, kind=line.kind, period_start=line.period_start, description=line.description
    )


def _allowances(books: ForeseenBooks, agreements: Agreements, name: str, at: datetime) -> Iterator[ForeseenAllowance]:
    """Of each usage type with a quota in the segment at ``at``; none while nothing runs."""
    timeline, quotas = agreements.timelines[name], agreements.quotas
    segment = timeline.segment_at(at)
    if segment is None:
        return
    used = {s.key: s for s in books.summaries.values()}
    for usage_type in quotas.usage_types_of(segment.plan_id, name):
        agreed = agreed_period(timeline, quotas, name, usage_type, at)
        part = None if agreed is None else agreed.part_at(at)
        if agreed is None or part is None or part.quota is None:
            continue
        here = [used.get((name, usage_type, one.start)) for one in agreed.parts]
        totals = [_NOTHING if one is None or one.frozen else one.total for one in here]
        division = divide(agreed, totals)[agreed.parts.index(part)]
        yield ForeseenAllowance(
            usage_type=usage_type,
            unit_name=part.quota.unit_name,
            limit=division.budget,
            used=EXACT.add(division.before, division.within),
            remaining=division.remaining,
        )
