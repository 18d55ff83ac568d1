"""Levels in books in memory: they go on to what they come to by now."""

from datetime import datetime
from typing import TYPE_CHECKING

from usage_billing.drawing.levels import Made
from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.recording.context import new_summary
from usage_billing.invoicing.levels_now import levels_now
from usage_billing.metering.split import beyond
from usage_billing.wallets.allocation import CoveredUsage

if TYPE_CHECKING:
    from usage_billing.flows.billing.foreseen_books import ForeseenBooks


def let_levels_go_on(books: "ForeseenBooks", agreements: Agreements, *, now: datetime) -> None:
    """Let levels come to what they do by now."""
    for one in levels_now(books.session, agreements.timelines, agreements.quotas, now=now):
        new = None if one.id else new_summary(one.subscription_id, one.usage_type, one.agreed, one.part)
        made = books.summaries.get(one.id) if new is None else books.make(new)
        if made is not None:
            made.total, made.beyond_limit = one.total, beyond(one.total, made.allowance)


def usage_made(books: "ForeseenBooks") -> Made:
    """What levels come to that go on into segments without a stored summary, by subscription, as wallets see it."""
    found: dict[str, list[CoveredUsage]] = {name: [] for name in books.ends.customer_of}
    for one in books.summaries.values():
        if one.id >= 0:
            continue
        usage = CoveredUsage(
            id=one.id,
            customer_id=books.ends.customer_of[one.subscription_id],
            subscription_id=one.subscription_id,
            usage_type_id=one.usage_type_id,
            period_start=one.period_start,
            period_end=one.period_end,
            total=one.total,
            beyond_limit=one.beyond_limit,
            events=one.events,
            voids=one.voids,
            frozen=one.frozen,
            price=books.prices.get(one.id),
            ends_at=books.ends.of[one.subscription_id],
            is_metered=True,
            adds_up=False,
        )
        found[one.subscription_id].append(usage)
    return found
