"""What an operator changes of usage types and meters: made, renamed, defined anew, retired."""

from typing import Any

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import NewUsageType
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, UNIT
from usage_billing.flows.administration import manage_meters
from usage_billing.flows.administration.manage_meters import UsageTypeChanges
from usage_billing.flows.administration.manage_quantities import QuantityChange
from usage_billing.meters.asked import MeterChanges, NewMeter
from usage_billing.reports.usage_types import definition_views
from usage_billing.wire.noun import show
from usage_billing.wire.usage_type import METER_DEFINITION
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.kinds import DIMENSIONS
from web.admin.meter_boxes import aggregation_box, counted_boxes, level_boxes, level_of, quantity_box
from web.admin.plan_forms import tax_box

_LONGEST_UNIT = 64


def _named() -> list[Box]:
    return [
        Box(name="id", label="Id", kind=NEW_IDENTIFIER),
        Box(name="unitName", label="What one of it is called", kind=UNIT, required=False, help="The id, if empty."),
        tax_box(value="S"),
    ]


def _new(_: Session) -> Form:
    return Form(
        title="New usage type",
        says="What is recorded: the usageType of recordings.",
        verb="Create it",
        current="usage-types",
        back=address("usage-types"),
        boxes=[*_named(), aggregation_box(), quantity_box()],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewUsageType(
        id=values["id"],
        unit_name=values["unitName"] or values["id"][:_LONGEST_UNIT],
        aggregation=values["aggregation"],
        tax_category=values["taxCategory"],
        quantity_from=values["quantityFrom"],
    )
    manage_meters.create(session, new, actor=operator.actor, now=operator.now)
    return Done(address("usage-types", new.id))


def _new_meter(_: Session) -> Form:
    of = Box(name="of", label="Counts recordings of", kind=IDENTIFIER, help="A usage type.")
    since = Box(name="since", label="That occurred since", kind=TIME, required=False, help="From now on, if empty.")
    return Form(
        title="New meter",
        says="It counts the recordings of a usage type in its own way.",
        verb="Create the meter",
        current="usage-types",
        back=address("usage-types"),
        boxes=[*_named(), of, aggregation_box(), *counted_boxes({}), *level_boxes(), since],
    )


def _create_meter(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewMeter(
        id=values["id"],
        unit_name=values["unitName"] or values["id"][:_LONGEST_UNIT],
        of=values["of"],
        aggregation=values["aggregation"],
        tax_category=values["taxCategory"],
        value=values["value"],
        where=values["where"],
        dimensions=values["dimensions"] or (),
        series_limit=values["seriesLimit"],
        since=values["since"],
        **level_of(values),
    )
    manage_meters.create(session, new, actor=operator.actor, now=operator.now)
    return Done(address("usage-types", new.id))


def _known(session: Session, usage_type_id: str) -> dict[str, Any]:
    """The latest definition of a usage type or a meter, as the API shows it."""
    found = [show(METER_DEFINITION, one) for one in definition_views(session, usage_type_id)]
    return found[0] if found else {}


def _changed(session: Session, usage_type_id: str) -> Form:
    found, known = get_named(session, UsageType, usage_type_id), _known(session, usage_type_id)
    own = counted_boxes(known) if found.of is not None else [quantity_box(known.get("quantityFrom") or "")]
    since = "A next definition holds for periods that begin then; from now on, if empty."
    return Form(
        title=f"Change {usage_type_id}",
        says="Quotas keep the name they were made with. What was counted stays.",
        verb="Change it",
        current="usage-types",
        back=address("usage-types", usage_type_id),
        boxes=[
            Box(name="unitName", label="What one of it is called", kind=UNIT, value=found.unit_name),
            tax_box(value=found.tax_category),
            *own,
            Box(name="effectiveFrom", label="Defined so from", kind=TIME, required=False, help=since),
        ],
    )


def _change(session: Session, operator: Operator, values: dict[str, Any], usage_type_id: str) -> Done:
    found, known = get_named(session, UsageType, usage_type_id), _known(session, usage_type_id)
    definition, quantity = None, None
    if found.of is not None:
        given = _differing(known, values)
        definition = MeterChanges(given=given, effective_from=values["effectiveFrom"]) if given else None
    elif values["quantityFrom"] != known.get("quantityFrom"):
        quantity = QuantityChange(value=values["quantityFrom"], effective_from=values["effectiveFrom"])
    changes = UsageTypeChanges(
        unit_name=None if values["unitName"] == found.unit_name else values["unitName"],
        tax_category=None if values["taxCategory"] == found.tax_category else values["taxCategory"],
        definition=definition,
        quantity=quantity,
    )
    if changes != UsageTypeChanges():
        manage_meters.change(session, usage_type_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("usage-types", usage_type_id))


def _differing(known: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What of a meter's definition is to be another one, by the names of ``MeterChanges``."""
    before = {box.name: box.value for box in counted_boxes(known)}
    given: dict[str, Any] = {}
    for name, field in (("value", "value"), ("where", "where")):
        if (values[name] or "") != before[name]:
            given[field] = values[name]
    dimensions = values["dimensions"] or ()
    if list(dimensions) != list(DIMENSIONS.read(before["dimensions"])):
        given["dimensions"] = dimensions
    if values["seriesLimit"] is not None and str(values["seriesLimit"]) != before["seriesLimit"]:
        given["series_limit"] = values["seriesLimit"]
    return given


def _retired(session: Session, usage_type_id: str) -> Form:
    get_named(session, UsageType, usage_type_id)
    return Form(
        title=f"Retire {usage_type_id}",
        says="It counts nothing that is recorded from now on; what it has counted stays, and is charged.",
        verb="Retire the meter",
        current="usage-types",
        back=address("usage-types", usage_type_id),
        danger=True,
    )


def _retire(session: Session, operator: Operator, _values: dict[str, Any], usage_type_id: str) -> Done:
    manage_meters.retire_meter(session, usage_type_id, actor=operator.actor, now=operator.now)
    return Done(address("usage-types", usage_type_id))


change("/usage-types/new", "new_usage_type", _new, _create)
change("/usage-types/new-meter", "new_meter", _new_meter, _create_meter)
change("/usage-types/<identifier:usage_type_id>/change", "usage_type_change", _changed, _change)
change("/usage-types/<identifier:usage_type_id>/retire", "retire_meter", _retired, _retire)
