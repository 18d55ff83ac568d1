"""What a meter's definition makes of recordings, before it is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import String, cast, func, select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.quantities import NoQuantity, check_expression, quantity_in
from usage_billing.catalog.queries import get_named
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.models import Usage
from usage_billing.meters.counting import skipped_in
from usage_billing.meters.definition import Function, read_definition
from usage_billing.meters.progress import skipping_folds
from usage_billing.meters.queries import active_meters
from usage_billing.meters.trial import Trial, try_out
from usage_billing.reports.meter_terms import definition_for
from usage_billing.subscriptions.queries import owner_of

_LAST = 10
Attempt = Callable[..., Trial]
"""Tries a definition on metadata; ``quantity`` and ``record_id`` are those of a recording."""
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """A definition, and what to try it on: ``metadata``, or the ``last`` recordings of a subscription.

    ``quantity_from`` is tried instead of a meter's definition.
    """

    aggregation: str = "sum"
    value: str | None = None
    where: str | None = None
    dimensions: Sequence[str | Mapping[str, Any]] = ()
    mode: str | None = None
    per: str | None = None
    carry: bool | None = None
    window: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    subscription_id: str | None = None
    of: str | None = None
    last: int | None = None
    quantity_from: str | None = None

    def attempt(self) -> Attempt:
        """What is tried; raises InvalidInput for a wrong definition."""
        if self.quantity_from is not None:
            for name in ("value", "where", "dimensions", "mode", "per", "carry", "window"):
                if getattr(self, name):
                    message = "is a meter's, and quantityFrom of a usage type that is none"
                    raise InvalidInput.field(f"/{name}", message, code="contradiction")
            if self.aggregation != Function.SUM:
                message = "must be sum: quantities that are made are added up"
                raise InvalidInput.field("/aggregation", message, code="contradiction")
            check_expression(self.quantity_from)
            return partial(_try_quantity, self.quantity_from)
        definition = read_definition(
            function=self.aggregation,
            value=self.value,
            where=self.where,
            dimensions=self.dimensions,
            series_limit=None,
            mode=self.mode,
            per=self.per,
            carry=self.carry,
            window=self.window,
        )
        return partial(try_out, definition)


def _try_quantity(
    text: str, metadata: Mapping[str, Any], *, quantity: Decimal | None = None, record_id: str | None = None
) -> Trial:
    value, refusals = None, list[str]()
    try:
        made = quantity_in(text, metadata)
        value = plain(made)
        if quantity is not None and quantity != made:
            refusals.append(f"its quantity is {plain(quantity)}")
    except NoQuantity as error:
        refusals.append(str(error))
    counts = None if value is None else True
    return Trial(record_id=record_id, counts=counts, value=value, dimensions={}, refusals=refusals)


def evaluate(session: Session, asked: EvaluationRequest) -> list[Trial]:
    """What it would make of each recording, the latest first.

    Raises InvalidInput for a wrong definition or a request for both or neither, NotFound for an unknown subscription.
    """
    attempt = asked.attempt()
    if asked.metadata is not None:
        for name, given in (("subscriptionId", asked.subscription_id), ("of", asked.of), ("last", asked.last)):
            if given is not None:
                raise InvalidInput.field(f"/{name}", "give this or metadata, not both", code="contradiction")
        return [attempt(asked.metadata)]
    for name, given in (("subscriptionId", asked.subscription_id), ("of", asked.of)):
        if given is None:
            raise InvalidInput.field(f"/{name}", "is required without metadata", code="required")
    owner_of(session, str(asked.subscription_id))
    rows = session.execute(
        select(Usage.id, Usage.quantity, cast(Usage.usage_metadata, String).label("metadata"))
        .where(Usage.of(str(asked.subscription_id)), Usage.usage_type_id == asked.of)
        .order_by(func.usage_place(Usage.occurred_at, Usage.ordinal).desc())
        .limit(asked.last or _LAST)
    )
    return [attempt(_decoder.decode(row.metadata), quantity=row.quantity, record_id=str(row.id)) for row in rows]


def skipped(session: Session, usage_type_id: str, *, limit: int) -> list[Trial]:
    """Up to ``limit`` recordings that have no value for a meter, and why; those of the latest periods first.

    Of a usage type that is no meter there are none. Raises NotFound.
    """
    get_named(session, UsageType, usage_type_id)
    meter = active_meters(session).get(usage_type_id)
    if meter is None:
        return []
    found: list[Trial] = []
    for fold in skipping_folds(session, usage_type_id):
        definition = definition_for(session, meter, subscription_id=fold.subscription_id, at=fold.period_start)
        statement, parameters = skipped_in(definition, limit=limit - len(found))
        asked = {**parameters, "source": fold.source, "folded": fold.folded}
        found += [
            try_out(definition, _decoder.decode(row.metadata), quantity=row.quantity, record_id=str(row.id))
            for row in session.execute(text(statement), asked)
        ]
        if len(found) >= limit:
            break
    return found
