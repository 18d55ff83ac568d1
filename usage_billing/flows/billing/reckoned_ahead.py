"""A change of a plan that is reckoned before anything is locked, and once more where something came in between.

To reckon thousands of subscriptions takes many seconds, and no worker records while the shards are locked. So most of
it comes before. Each subscription has a mark, which is another one after anything that is reckoned with has changed:
under the locks only those are reckoned anew whose mark is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from usage_billing.flows.billing.foresee_plan import foresee_plan, ids_on_plan
from usage_billing.flows.billing.marks import marks_of
from usage_billing.flows.billing.plan_change import AT_A_TIME, PlanChange
from usage_billing.flows.billing.run_outcome import DIGESTS

# After a round that found no more, what comes next is done under the locks: another round would bring little.
_FEW = 10


@dataclass(slots=True, kw_only=True)
class ReckonedAhead:
    """What a change of a plan would do to each subscription, by id, and the mark that each had by then."""

    change: PlanChange
    now: datetime
    adjust_within: timedelta
    digests: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def moved(self, session: Session) -> list[str]:
        """Those with another mark by now, in order; what is on the plan no more is forgotten."""
        ids = ids_on_plan(session, self.change.plan_id)
        for gone in self.marks.keys() - set(ids):
            del self.marks[gone]
            self.digests.pop(gone, None)
        marks = marks_of(session, ids)
        return [id for id in ids if self.marks.get(id) != marks[id]]

    def reckon(self, session: Session, ids: Sequence[str]) -> None:
        """Reckon these, a slice at a time."""
        for start in range(0, len(ids), AT_A_TIME):
            self._reckon_slice(session, ids[start : start + AT_A_TIME])

    def comes_to_the_same(self, session: Session, ids: Sequence[str]) -> bool:
        """Reckon these, up to the first slice of which anything has come to something else; whether none has."""
        for start in range(0, len(ids), AT_A_TIME):
            part = ids[start : start + AT_A_TIME]
            before = [self.digests.get(id, 0) for id in part]
            self._reckon_slice(session, part)
            if before != [self.digests[id] for id in part]:
                return False
        return True

    def _reckon_slice(self, session: Session, ids: Sequence[str]) -> None:
        self.marks |= marks_of(session, ids)
        found = foresee_plan(session, self.change, ids, now=self.now, adjust_within=self.adjust_within)
        self.digests |= dict.fromkeys(ids, 0) | found.digests

    def digest_text(self) -> str:
        """The digest of a rehearsal that finds the same."""
        return f"{sum(self.digests.values()) % DIGESTS:064x}"


def reckon_ahead(session: Session, change: PlanChange, *, now: datetime, adjust_within: timedelta) -> ReckonedAhead:
    """Reckon every subscription of the plan, and rounds of what moves meanwhile; nothing is locked or written.

    The rounds end when little moves, or when a round is not half of the one before: by then as much moves as is
    reckoned.
    """
    ahead = ReckonedAhead(change=change, now=now, adjust_within=adjust_within)
    at_most: int | None = None
    while True:
        moved = ahead.moved(session)
        ahead.reckon(session, moved)
        if len(moved) <= _FEW or (at_most is not None and len(moved) > at_most):
            return ahead
        at_most = len(moved) // 2
