"""What a caller asks of a meter. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.meters.definition import Definition, read_definition
from usage_billing.rating.tax.categories import TaxCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeter:
    """A meter as it is created: it counts what is recorded as ``of`` and occurred at ``since`` or later.

    ``since`` None is from now on.
    """

    id: str
    unit_name: str
    of: str
    aggregation: str = "sum"
    tax_category: str = TaxCategory.STANDARD
    value: str | None = None
    where: str | None = None
    dimensions: Sequence[str | Mapping[str, Any]] = ()
    series_limit: int | None = None
    mode: str | None = None
    per: str | None = None
    carry: bool | None = None
    window: Mapping[str, Any] | None = None
    since: datetime | None = None

    def definition(self) -> Definition:
        """Its first definition; raises InvalidInput."""
        return read_definition(
            function=self.aggregation,
            value=self.value,
            where=self.where,
            dimensions=self.dimensions,
            series_limit=self.series_limit,
            mode=self.mode,
            per=self.per,
            carry=self.carry,
            window=self.window,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterChanges:
    """The next definition of a meter: ``given`` replaces what the definition before says.

    ``given`` has some of ``value``, ``where``, ``dimensions``, ``series_limit``. It holds for periods that begin at
    ``effective_from`` or later; None is from now on.
    """

    given: Mapping[str, Any]
    effective_from: datetime | None = None

    def applied_to(self, before: Definition) -> Definition:
        """The definition after ``before``; raises InvalidInput."""
        fields = {
            "value": before.value,
            "where": before.where,
            "dimensions": [one.fields() for one in before.dimensions],
            "series_limit": None if before.is_set else before.series_limit,
        }
        level = before.level
        if level is not None:
            fields |= {"mode": level.said_mode, "per": level.said_per, "carry": level.carry}
        after = replace(
            read_definition(function=before.function, **{**fields, **self.given}), windowing=before.windowing
        )
        if level is not None and level.carry and after.dimensions != before.dimensions:
            message = "what is carried keeps its dimensions, for its series go on"
            raise InvalidInput.field("/dimensions", message, code="contradiction")
        return after
