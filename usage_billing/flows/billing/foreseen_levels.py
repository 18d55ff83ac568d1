"""Levels in books in memory: they go on to what they come to by now."""

from datetime import datetime
from typing import TYPE_CHECKING

from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.recording.context import new_summary
from usage_billing.invoicing.levels_now import levels_now
from usage_billing.metering.split import beyond

if TYPE_CHECKING:
    from usage_billing.flows.billing.foreseen_books import ForeseenBooks


def let_levels_go_on(books: "ForeseenBooks", agreements: Agreements, *, now: datetime) -> None:
    """Let levels come to what they do by now."""
    for one in levels_now(books.session, agreements.timelines, agreements.quotas, now=now):
        new = None if one.id else new_summary(one.subscription_id, one.usage_type, one.agreed, one.part)
        made = books.summaries.get(one.id) if new is None else books.make(new)
        if made is not None:
            made.total, made.beyond_limit = one.total, beyond(one.total, made.allowance)
