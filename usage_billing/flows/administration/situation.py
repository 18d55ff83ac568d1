"""When a change takes effect, and what counts after that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import period_at
from usage_billing.metering.voids import later_usage
from usage_billing.subscriptions.changes import Change, Track
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.moments import NOW, PERIOD_END


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a change takes effect: ``now``, at the ``period_end``, or at an aware instant."""

    moment: str | datetime = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A locked subscription at ``now``: its terms, and its changes that hold."""

    subscription_id: str
    timeline: Timeline
    changes: Sequence[Change]
    now: datetime

    def instant(self, session: Session, when: When, *, track: Track) -> datetime:
        """The moment that is meant; *now* is after the latest recording, and after what was changed at that instant.

        Raises Conflict for the end of a period when none is under way.
        """
        if isinstance(when.moment, datetime):
            return when.moment
        if when.moment == PERIOD_END:
            return self._period_end()
        later = later_usage(session, self.subscription_id, since=self.now)
        at = self.now if later is None else later.first_free
        taken = {change.at for change in self.changes if change.track == track}
        while at in taken:
            at += INSTANT
        return at

    def until(self, at: datetime, *, track: Track) -> datetime | None:
        """Until when a change at ``at`` would hold: the next one of its track; None for ever."""
        return min((change.at for change in self.changes if change.track == track and change.at > at), default=None)

    def _period_end(self) -> datetime:
        """The end of the billing period under way; a pause has periods as well."""
        term = self.timeline.term_at(self.now)
        if term is None:
            raise Conflict("no period of the subscription is under way", code="not_running")
        return period_at(self.now, zone=self.timeline.zone, cadence=term.terms.cadence).end
