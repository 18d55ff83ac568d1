"""From when each version holds for a subscription, told once more and not by the checked code. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from usage_billing.reports.verify.calendar import period_of

Chain = Sequence[tuple[datetime, Any]]
"""Versions with the instant from which each holds."""

_EVER = datetime(1, 1, 1, tzinfo=UTC)


def begins_of(versions: Sequence[Any], agreement: Any, plans: Mapping[str, Any]) -> Chain:
    """Each version that ever holds, with the instant from which it does."""
    found = [(_begins(version, agreement, plans), version) for version in versions]
    return [(begins, version) for begins, version in found if begins is not None]


def holds_at(chain: Chain, at: datetime) -> Any | None:
    """What holds at a moment: what began last, of equals what was made last; None where that has been ended."""
    begun = [
        (begins, version.id, version)
        for begins, version in chain
        if begins <= at and (version.ended_at is None or version.ended_at > begins)
    ]
    if not begun:
        return None
    last = max(begun, key=lambda one: one[:2])[2]
    return last if last.ended_at is None or at < last.ended_at else None


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
