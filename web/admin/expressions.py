"""An expression tried before it is saved: on the last recordings of a subscription, or on metadata."""

from typing import Any

from markupsafe import Markup
from sqlalchemy.orm import Session

from usage_billing.cli.frame.types import IDENTIFIER, JSON_OBJECT
from usage_billing.reports.evaluations import EvaluationRequest, evaluate
from usage_billing.wire.noun import show
from usage_billing.wire.usage_type import EVALUATION
from web.admin.blueprint import address
from web.admin.desk import Desk
from web.admin.forms import Box, Form, try_out
from web.admin.frame import part
from web.admin.kinds import LAST
from web.admin.meter_boxes import aggregation_box, counted_boxes, level_boxes, level_of, quantity_box


def _trial(_: Session) -> Form:
    return Form(
        title="Try an expression",
        says="What a definition would make of recordings; nothing is stored.",
        verb="Try it",
        current="usage-types",
        back=address("usage-types"),
        boxes=[
            aggregation_box(),
            *(box for box in counted_boxes({}) if box.name != "seriesLimit"),
            *level_boxes(),
            quantity_box(),
            Box(name="subscriptionId", label="On the last recordings of the subscription", kind=IDENTIFIER,
                required=False),
            Box(name="of", label="of the usage type", kind=IDENTIFIER, required=False),
            Box(name="last", label="so many", kind=LAST, value="100", required=False),
            Box(name="metadata", label="Or on these metadata", kind=JSON_OBJECT, type="area", rows=4, required=False),
        ],
    )  # fmt: skip


def _try(desk: Desk, values: dict[str, Any]) -> Markup:
    on_metadata = values["metadata"] is not None
    asked = EvaluationRequest(
        aggregation=values["aggregation"],
        value=values["value"],
        where=values["where"],
        dimensions=values["dimensions"] or (),
        quantity_from=values["quantityFrom"],
        metadata=values["metadata"],
        subscription_id=values["subscriptionId"],
        of=values["of"],
        last=None if on_metadata and values["subscriptionId"] is None else values["last"],
        **level_of(values),
    )
    return part(desk, "tried", trials=[show(EVALUATION, one) for one in evaluate(desk.session, asked)])


try_out("/usage-types/try", "expression", _trial, _try)
