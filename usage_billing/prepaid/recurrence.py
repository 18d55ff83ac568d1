"""When the grants of a schedule begin and end: occurrences on the calendar of a time zone. Pure.

Occurrences are the starts of periods of ``core/periods``: from the first at or after the start of the schedule to
before its end. So they never drift, and a change of the clocks moves none of them.

Source: docs/prepaid.md, "Grants that recur".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Cadence, period_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Occurrences from ``starts_at`` to before ``ends_at`` (None: for ever), one with each period of ``cadence``.

    What begins with one holds until the next with ``until_next``, else for ``validity``: an interval and how many of
    it; None: for ever. All times are aware, and ``zone`` is the IANA time zone whose calendar counts.
    """

    cadence: Cadence
    zone: str
    starts_at: datetime
    ends_at: datetime | None = None
    until_next: bool = False
    validity: tuple[str, int] | None = None

    def first(self) -> datetime | None:
        """The first occurrence; None where the schedule ends before it."""
        period = period_at(self.starts_at, zone=self.zone, cadence=self.cadence)
        return self._unless_over(period.start if period.start == self.starts_at else period.end)

    def after(self, occurrence: datetime) -> datetime | None:
        """The occurrence that follows one; None where the schedule ends before it."""
        return self._unless_over(self._next(occurrence))

    def due(self, since: datetime | None, now: datetime) -> Iterator[datetime]:
        """The occurrences from ``since``, which is one, up to and with ``now``."""
        at = since
        while at is not None and at <= now:
            yield at
            at = self.after(at)

    def expiry(self, occurrence: datetime) -> datetime | None:
        """Until when what begins then holds, exclusive; None: for ever. The end of the schedule does not shorten it."""
        if self.until_next:
            return self._next(occurrence)
        if self.validity is None:
            return None
        interval, count = self.validity
        return period_at(occurrence, zone=self.zone, cadence=Cadence(interval, count, anchor=occurrence)).end

    def before(self, occurrence: datetime) -> datetime | None:
        """The occurrence before one; None for the first."""
        at = period_at(occurrence - INSTANT, zone=self.zone, cadence=self.cadence).start
        return at if at >= self.starts_at else None

    def nth_after(self, occurrence: datetime, count: int) -> datetime:
        """Where ``count`` occurrences after one begins, whether or not the schedule has ended by then."""
        for _ in range(count):
            occurrence = self._next(occurrence)
        return occurrence

    def _next(self, occurrence: datetime) -> datetime:
        return period_at(occurrence, zone=self.zone, cadence=self.cadence).end

    def _unless_over(self, occurrence: datetime) -> datetime | None:
        return None if self.ends_at is not None and occurrence >= self.ends_at else occurrence
