"""The days of usage types, as folds keep them. What an alert asks of a plain type has it kept by time from then on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.flows.alerting.figures import PeriodFigures
from usage_billing.meters.days import Days, day_before, days_of
from usage_billing.meters.queries import ActiveMeter, folded_types
from usage_billing.meters.service import keep_by_time

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class KeptDays:
    """The full days before ``now`` of some usage types, and what of today is counted."""

    now: datetime
    meters: Mapping[str, ActiveMeter]
    found: Days
    number: int

    def is_known(self, one: PeriodFigures) -> bool:
        """Whether folds keep its days, as far back as there are any; one whose days do not add up has none."""
        meter = self.meters.get(one.usage_type)
        return meter is not None and (not meter.adds_up or meter.looked_back)

    def adds_up(self, one: PeriodFigures) -> bool:
        """Whether there are days of it."""
        return self.is_known(one) and self.meters[one.usage_type].adds_up

    def days(self, one: PeriodFigures, *, every: int = 1) -> list[Decimal]:
        """What was used on each ``every``-th day back, the last first, as far as the subscription ran all of it."""
        if not self.adds_up(one):
            return []
        zone, began = one.contract.timeline.zone, one.contract.timeline.terms[0].starts_at
        used = self.found.get((one.contract.id, one.usage_type), {})
        starts = [day_before(self.now, back, zone=zone) for back in range(every, self.number + 1, every)]
        return [used.get(start, _NOTHING) for start in starts if start >= began]

    def today(self, one: PeriodFigures) -> Decimal:
        """What was used on the day around ``now`` so far."""
        start = day_before(self.now, 0, zone=one.contract.timeline.zone)
        return self.found.get((one.contract.id, one.usage_type), {}).get(start, _NOTHING)


def kept_days(
    session: Session, figures: Sequence[PeriodFigures], *, days: int, now: datetime, until: datetime
) -> KeptDays:
    """The last so many full days of these usage types before that around ``now``, and that day ``until`` then.

    Of a plain type that is not kept by time yet nothing is known: folds keep it from now on, and count what was before.
    """
    folded = folded_types(session)
    for name in sorted({one.usage_type for one in figures} - folded.keys()):
        keep_by_time(session, name)
    wanted = {one.usage_type for one in figures}
    meters = {name: meter for name, meter in folded.items() if name in wanted}
    adding = [meter for meter in meters.values() if meter.adds_up]
    found: Days = {}
    for zone in sorted({one.contract.timeline.zone for one in figures}):
        names = {one.contract.id for one in figures if one.contract.timeline.zone == zone}
        since = day_before(now, days, zone=zone)
        found |= days_of(session, names, adding, zone=zone, since=since, until=until)
    return KeptDays(now, meters, found, days)
