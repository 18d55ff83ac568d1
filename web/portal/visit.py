"""One look of a customer at its pages."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import this_request
from usage_billing.reports.moved import Moved
from usage_billing.reports.series_windows import billing_period
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract
from web.numbers import Writer
from web.pages import tag_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who looks, when, and how pages are written for it; ``session`` reads the database at one moment.

    ``contracts`` are all subscriptions of the customer, ``chosen`` the one that pages are about. ``pages`` are those
    that it may see. ``writer`` writes days, which are the subscription's; ``clock`` writes times, in the reader's zone.
    ``seen`` is another whenever something that pages show has moved. Figures are behind since ``late``, if they are.
    ``later`` is done once the page is made and the database let go.
    """

    session: Session
    id: UUID
    customer_id: str
    customer_name: str
    contracts: Sequence[Contract]
    chosen: Contract | None
    writer: Writer
    clock: Writer
    pages: frozenset[str]
    token: str
    return_url: str | None
    now: datetime
    seen: Moved
    late: datetime | None
    later: list[Callable[[], object]] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """The tag of everything that pages of this visit show."""
        return live_tag(
            customer_id=self.customer_id,
            seen=self.seen,
            now=self.now,
            late=self.late,
            writer=self.writer,
            clock=self.clock,
            chosen=self.chosen,
        )


def part_key(tag: str, pages: frozenset[str]) -> Hashable:
    """What decides what the part of a page shows that is asked for: with equal keys, the HTML is the same."""
    asked = this_request()
    return tag, asked.path, tuple(sorted(asked.args.items())), pages


def live_tag(
    *,
    customer_id: str,
    seen: Moved,
    now: datetime,
    late: datetime | None,
    writer: Writer,
    clock: Writer,
    chosen: Contract | None,
) -> str:
    """The tag of everything that pages show: of figures, of their age, of the hour, and of what runs at ``now``."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    # One that is behind says by how many minutes.
    minute = now.replace(second=0, microsecond=0) if late else None
    about = chosen and (chosen.id, *_running(chosen.timeline, now))
    # What was seen of two customers is alike where their rows came in one transaction.
    return tag_of(customer_id, seen, hour, minute, late, writer, clock, about)


def _running(timeline: Timeline, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period and the term began that pages are about: some zones and changes begin within an hour."""
    term = timeline.term_at(now)
    return billing_period(timeline, now).start, None if term is None else term.starts_at
