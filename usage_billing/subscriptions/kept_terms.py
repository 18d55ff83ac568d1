"""The terms that a process has read and keeps, as long as the database says that no terms changed.

Triggers write a new stamp, which never was before, with every transaction that changes what terms are read from
(``term_stamps``). Terms are kept if the statement that reads them sees the same stamps as the one before it. So stamps
name one state of all terms, and while they are the same, reading the terms again would give what is kept. A change that
commits after the stamps were read is not seen, as it is not seen by one who read the terms then.

The caller asks under READ COMMITTED, in a transaction that has changed no terms itself. What has to be seen is what
was committed before the caller got its lock: so it asks after that, for a statement sees all that was committed before
it began.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.bulk import joined
from usage_billing.db.rows import read_rows
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import OF_IDS, customers_and_timelines
from usage_billing.subscriptions.term_rows import COLUMNS, TABLES, THESE, SharedTerms, TermRow, timelines_from

ReadTerms = Callable[[Session, Collection[str]], tuple[dict[str, str], dict[str, Timeline]]]
"""Reads the customers and the terms of subscriptions, each by subscription id."""

_MOST = 50_000
"""So many subscriptions are kept, 28 to 48 MB; with more a process begins anew."""

_STAMPS = "SELECT string_agg(CAST(stamp AS text), ' ' ORDER BY slot) FROM term_stamps"
_STAMPS_ALONE = text(_STAMPS)
_TERMS = text(f"SELECT {COLUMNS}, coalesce(({_STAMPS}) = :stamps, false) AS holds{TABLES}{THESE % OF_IDS}")


class _Row(TermRow, gc=False):
    """A term, and whether the stamps are still ``:stamps``: the same in each row of a statement."""

    holds: bool


@dataclass(slots=True)
class _Kept:
    """What was read under ``stamps``; without any, nothing is."""

    stamps: str | None
    customers: dict[str, str] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    terms: SharedTerms = field(default_factory=dict)


class KeptTerms:
    """Customers and terms of subscriptions, kept for the transactions of one process; several threads may ask."""

    def __init__(self) -> None:
        self._kept = _Kept(stamps=None)

    def customers_and_timelines(
        self, session: Session, subscription_ids: Collection[str]
    ) -> tuple[dict[str, str], dict[str, Timeline]]:
        """What ``queries.customers_and_timelines`` would read now; an unknown subscription is asked for each time."""
        stamps = session.scalar(_STAMPS_ALONE)
        kept = self._kept if self._kept.stamps == stamps else _Kept(stamps)
        missing = [id for id in subscription_ids if id not in kept.timelines]
        if len(kept.timelines) + len(missing) > _MOST:
            kept, missing = _Kept(stamps), list(subscription_ids)
        self._kept = kept
        if missing:
            asked = {"ids": joined(missing), "anniversary": Anchor.ANNIVERSARY, "stamps": stamps}
            rows = read_rows(session.execute(_TERMS, asked), _Row)
            if rows and not rows[0].holds:  # some changed just now: these rows and what is kept are not of one state
                return customers_and_timelines(session, subscription_ids)
            kept.customers.update((row.id, row.customer_id) for row in rows)
            kept.timelines.update(timelines_from(rows, shared=kept.terms))
        found = [id for id in subscription_ids if id in kept.timelines]
        return {id: kept.customers[id] for id in found}, {id: kept.timelines[id] for id in found}
