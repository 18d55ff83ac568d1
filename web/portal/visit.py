"""One look of a customer at its pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.reports.moved import Moved
from usage_billing.subscriptions.queries import Contract
from web.freshness import behind_since
from web.numbers import Writer
from web.pages import tag_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who looks, when, and how pages are written for it; ``session`` reads the database at one moment.

    ``contracts`` are all subscriptions of the customer, ``chosen`` the one that pages are about. ``pages`` are those
    that it may see. ``writer`` writes days, which are the subscription's; ``clock`` writes times, in the reader's zone.
    ``seen`` is another whenever something that pages show has moved. ``later`` is done once the page is made and the
    database let go.
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
    later: list[Callable[[], object]] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """The tag of everything that pages of this visit show."""
        return live_tag(seen=self.seen, now=self.now, writer=self.writer, clock=self.clock, chosen=self.chosen)


def live_tag(*, seen: Moved, now: datetime, writer: Writer, clock: Writer, chosen: Contract | None) -> str:
    """The tag of everything that pages show: of figures, of their age, and of the hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    late = behind_since()
    # One that is behind says by how many minutes.
    minute = now.replace(second=0, microsecond=0) if late else None
    return tag_of(seen, hour, minute, late, writer, clock, chosen and chosen.id)
