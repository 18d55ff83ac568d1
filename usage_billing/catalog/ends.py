"""Until when each version of a quota or of a base fee holds, and is told to hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.models import PlanVersion, UsageQuota

BY_ITSELF = 0
"""Who asked that a version end, where that was no change of the subscription."""


def end_at(one: UsageQuota | PlanVersion, at: datetime, *, by: int = BY_ITSELF) -> None:
    """Let a version of a subscription's own hold until ``at`` at most, for the change ``by``.

    What ends it earlier stays, and what ends it later holds again if this is taken back.
    """
    before = one.ends.get(str(by))
    first = at if before is None else min(at, datetime.fromisoformat(before))
    _set_ends(one, {**one.ends, str(by): first.isoformat()})


def take_end_back(one: UsageQuota | PlanVersion, *, by: int) -> None:
    """Let the change ``by`` end a version no more; what else ends it does."""
    _set_ends(one, {name: at for name, at in one.ends.items() if name != str(by)})


def move_version(one: UsageQuota | PlanVersion, *, since: datetime, to: datetime) -> None:
    """Let a version begin and end at ``to`` where it did so at ``since``."""
    moved = {since: to}
    one.effective_from = moved.get(one.effective_from, one.effective_from)
    if one.effective_until == since:
        one.effective_until = to
    ends = {by: datetime.fromisoformat(at) for by, at in one.ends.items()}
    _set_ends(one, {by: moved.get(at, at).isoformat() for by, at in ends.items()})


def _set_ends(one: UsageQuota | PlanVersion, ends: Mapping[str, str]) -> None:
    one.ends = dict(ends)
    one.ended_at = min((datetime.fromisoformat(at) for at in ends.values()), default=None)


def tell_ends(
    session: Session, versions: Sequence[UsageQuota | PlanVersion], *, added: UsageQuota | PlanVersion | None = None
) -> None:
    """Store until when each version of a quota or a fee holds, and a version that is ``added``.

    One ends where the next begins, or where it was ended.
    """
    every = [*versions, *([added] if added else [])]
    order = sorted(range(len(every)), key=lambda place: (every[place].effective_from, place))
    ends: dict[int, datetime | None] = {}
    for place, following in zip(order, [*order[1:], None], strict=False):
        one = every[place]
        told = [] if following is None else [every[following].effective_from]
        told += [] if one.ended_at is None else [max(one.ended_at, one.effective_from)]
        ends[place] = min(told, default=None)
    # Those that end earlier go first: at no moment two of them overlap.
    for shrinks in (True, False):
        for place, one in enumerate(every):
            until = ends[place]
            if one is not added and shrinks == (until is not None and _is_sooner(until, one.effective_until)):
                one.effective_until = until
        session.flush()
        if shrinks and added is not None:
            added.effective_until = ends[len(versions)]
            session.add(added)
            session.flush()


def _is_sooner(instant: datetime, other: datetime | None) -> bool:
    return other is None or instant < other
