"""What was changed of a subscription, and the terms that follow from it. Pure.

Three tracks do not know each other: the plan, whether it is paused, and the end. At an instant the latest change of
each holds. So a pause keeps a planned cancellation, and what is planned earlier keeps what is planned later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ChangeKind(StrEnum):
    """What a change does: move to a plan, pause, resume, or end."""

    PLAN = "plan"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


class Track(StrEnum):
    """What a change is of; changes of two tracks never contradict each other."""

    PLAN = "plan"
    PAUSED = "paused"
    END = "end"


TRACKS = {
    ChangeKind.PLAN: Track.PLAN,
    ChangeKind.PAUSE: Track.PAUSED,
    ChangeKind.RESUME: Track.PAUSED,
    ChangeKind.END: Track.END,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From ``at`` on the subscription is on ``plan_id``, paused, resumed, or at its end.

    ``cuts``: the terms are divided there even if they are the same on both sides.
    """

    at: datetime
    kind: ChangeKind
    plan_id: str | None = None
    cuts: bool = False

    @property
    def track(self) -> Track:
        """What it is a change of."""
        return TRACKS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``starts_at`` to before ``ends_at`` (None: for ever) on one plan, or paused on it."""

    plan_id: str
    starts_at: datetime
    ends_at: datetime | None
    paused: bool


def fold(started_at: datetime, changes: Sequence[Change]) -> list[Span]:
    """The terms that follow from ``changes``, of which one is of a plan, at ``started_at``; in order, without a gap."""
    ended = end_of(changes)
    instants = {change.at for change in changes if change.track != Track.END and change.at > started_at}
    begins = [started_at, *sorted(at for at in instants if ended is None or at < ended)]
    kept = {change.at for change in changes if change.cuts}
    spans: list[Span] = []
    for start, end in zip(begins, [*begins[1:], ended], strict=True):
        span = Span(plan_id=_plan_at(changes, start), starts_at=start, ends_at=end, paused=_paused_at(changes, start))
        last = spans[-1] if spans else None
        if last is not None and start not in kept and (last.plan_id, last.paused) == (span.plan_id, span.paused):
            spans[-1] = Span(plan_id=last.plan_id, starts_at=last.starts_at, ends_at=end, paused=last.paused)
        else:
            spans.append(span)
    return spans


def end_of(changes: Sequence[Change]) -> datetime | None:
    """The end that is agreed, also one to come; None when there is none."""
    return min((change.at for change in changes if change.track == Track.END), default=None)


def _plan_at(changes: Sequence[Change], instant: datetime) -> str:
    past = [change for change in changes if change.track == Track.PLAN and change.at <= instant]
    plan_id = max(past, key=lambda change: change.at).plan_id
    if plan_id is None:
        raise ValueError("a change of the plan names a plan")
    return plan_id


def _paused_at(changes: Sequence[Change], instant: datetime) -> bool:
    past = [change for change in changes if change.track == Track.PAUSED and change.at <= instant]
    return bool(past) and max(past, key=lambda change: change.at).kind == ChangeKind.PAUSE
