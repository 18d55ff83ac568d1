"""Summaries as a dry run knew them, for the run that is held to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.billing_runs.pin import Pin, PinKey
from usage_billing.core.periods import Period
from usage_billing.flows.billing.apply_terms import SummaryTerms
from usage_billing.metering.budget import divide
from usage_billing.metering.rewinding import as_it_stood
from usage_billing.metering.split import beyond
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.agreement import AgreedPeriod

_NOTHING = Decimal(0)


def as_pinned(
    session: Session,
    summaries: Sequence[UnratedSummary],
    terms: Mapping[int, SummaryTerms],
    pins: Mapping[PinKey, Pin],
) -> list[UnratedSummary]:
    """Those of these summaries that have a pin, each as it stood then; the same object where nothing has changed.

    A meter's is as it is now: how it stood is not kept. If it has changed, the run does not have the dry run's digest.

    In a period that is cut, what was recorded since moves the allowance of later segments: those are divided at what
    the totals of then leave them.
    """
    stood = {summary.id: _stood(session, summary, pins[summary.key]) for summary in summaries if summary.key in pins}
    for agreed, members in _cut_periods(summaries, terms):
        if all(stood.get(summary.id) is summary for summary in members):
            continue
        by_start = {summary.period_start: stood[summary.id] for summary in members if summary.id in stood}
        here = [by_start.get(part.start) for part in agreed.parts]
        totals = [_NOTHING if summary is None or summary.frozen else summary.total for summary in here]
        for summary, division in zip(here, divide(agreed, totals), strict=True):
            if summary is not None and not summary.frozen and summary.allowance != division.allowance:
                stood[summary.id] = _divided(session, summary, division.allowance)
    return [stood[summary.id] for summary in summaries if summary.id in stood]


def _divided(session: Session, summary: UnratedSummary, allowance: Decimal | None) -> UnratedSummary:
    if summary.sources is not None:
        return replace(summary, allowance=allowance, beyond_limit=beyond(summary.total, allowance))
    return as_it_stood(session, summary, events=summary.events, voids=summary.voids, allowance=allowance)


def _stood(session: Session, summary: UnratedSummary, pin: Pin) -> UnratedSummary:
    if (summary.events, summary.voids) == (pin.events, pin.voids) or summary.sources is not None:
        return summary
    return as_it_stood(session, summary, events=pin.events, voids=pin.voids, allowance=summary.allowance)


def _cut_periods(
    summaries: Sequence[UnratedSummary], terms: Mapping[int, SummaryTerms]
) -> Iterator[tuple[AgreedPeriod, list[UnratedSummary]]]:
    found: dict[tuple[str, str, Period], tuple[AgreedPeriod, list[UnratedSummary]]] = {}
    for summary in summaries:
        agreed = terms[summary.id].agreed
        if agreed is not None and not agreed.is_whole:
            key = (summary.subscription_id, summary.usage_type_id, agreed.period)
            found.setdefault(key, (agreed, []))[1].append(summary)
    return iter(found.values())
