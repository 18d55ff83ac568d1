"""From when each version holds for a subscription, told once more and not by the checked code. Pure."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from usage_billing.reports.verify.calendar import period_of

_EVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chain:
    """The versions of one quota or fee for a subscription.

    ``begun`` are those that ever hold, in the order in which they take over from each other, and ``since`` from when
    on. ``told`` are all instants at which anything may change, and ``seams`` those at which one began that was ended
    as of then or earlier.
    """

    begun: Sequence[Any]
    since: Sequence[datetime]
    told: frozenset[datetime]
    seams: frozenset[datetime]

    def at(self, moment: datetime) -> Any | None:
        """What holds: what began last, of equals what was made last; None where that has been ended."""
        place = bisect_right(self.since, moment)
        last = self.begun[place - 1] if place else None
        return None if last is None or (last.ended_at is not None and last.ended_at <= moment) else last


_NONE = Chain((), (), frozenset(), frozenset())


def chain_of(versions: Sequence[Any], agreement: Any, plans: Mapping[str, Any]) -> Chain:
    """These versions, as they hold for the subscription of an agreement."""
    if not versions:
        return _NONE
    every = [(_begins(version, agreement, plans), version) for version in versions]
    known = [(begins, version) for begins, version in every if begins is not None]
    stillborn = {begins for begins, one in known if one.ended_at is not None and one.ended_at <= begins}
    held = [(begins, one) for begins, one in known if one.ended_at is None or one.ended_at > begins]
    held.sort(key=lambda one: (one[0], one[1].id))
    told = {moment for begins, one in known for moment in (begins, one.ended_at) if moment is not None}
    return Chain([one for _, one in held], [begins for begins, _ in held], frozenset(told), frozenset(stillborn))


def _begins(version: Any, agreement: Any, plans: Mapping[str, Any]) -> datetime | None:
    word, listed = version.effective, not version.own
    if word == "start" or (listed and version.first and word != "instant" and agreement.made_at >= version.created_at):
        return _EVER
    if version.immediate:
        moment: datetime = version.effective_from
        return moment
    terms = [term for term in agreement.terms if term.plan_id == version.plan_id]
    if not terms:
        return None
    period = period_of(agreement.rhythm(plans[version.plan_id]), version.asked_at)
    if word == "period":
        ended = agreement.terms[-1].ends_at
        return period[0] if ended is None or ended > version.asked_at else None
    candidates = [period[0] if period[0] == version.asked_at else period[1]]
    before: Any | None = None
    for term in agreement.terms:
        arrives = term.plan_id == version.plan_id and (before is None or before.plan_id != term.plan_id)
        if arrives and term.starts_at >= version.asked_at:
            candidates.append(term.starts_at)
        before = term
    return min(candidates)
