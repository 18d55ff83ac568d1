"""Recordings: what became of one, and those under a subscription; taking one back, and recording by hand."""

from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api.finding import find_record
from api.pagination import BY_PLACE, read_cursor
from usage_billing.catalog.quantity_versions import types_that_make_quantities
from usage_billing.cli.frame.types import IDENTIFIER, REASON
from usage_billing.core.cursors import cursor_text
from usage_billing.core.errors import NotFound
from usage_billing.core.identifiers import kept_key, new_id
from usage_billing.flows.recording.record_by_hand import record_by_hand
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.metering.queries import recorded_keys
from usage_billing.metering.spelling import parse_recording, typed_in
from usage_billing.reports.record_status import RecordStatus
from usage_billing.reports.records import records_of
from usage_billing.subscriptions.queries import owner_of
from usage_billing.wire.noun import show
from usage_billing.wire.recording import RECORD, RECORD_STATUS
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import ROWS
from web.pages import see_other

_SENT = ("userId", "subscriptionId", "usageType", "quantity", "timestamp", "idempotencyKey", "source")


@blp.get("/records")
@looking
def list_records(desk: Desk) -> Response:
    """The recordings of a subscription, newest first; ``find`` is an id, or a key of that subscription."""
    query = query_of("find", "subscription", "after")
    find, subscription = query.get("find", ""), query.get("subscription", "")
    rows, following, missing = [], "", False
    if find:
        found = _id_of(find) or _by_key(desk.session, subscription, find)
        if found is not None and find_record(found) is not None:
            return see_other(address("records", found))
        missing = True
    elif subscription:
        owner_of(desk.session, subscription)
        after = read_cursor(query.get("after"), BY_PLACE)
        page = records_of(desk.session, subscription, limit=ROWS, after=after)
        rows = [show(RECORD, one) for one in page.rows]
        following = "" if page.last is None else address("records", **(query | {"after": cursor_text(page.last)}))
    return framed(
        desk, "records", "records", find=find, subscription=subscription, records=rows, following=following,
        missing=missing,
    )  # fmt: skip


@blp.get("/records/<uuid:record_id>")
@looking
def show_record(desk: Desk, record_id: UUID) -> Response:
    """What became of one recording."""
    query_of()
    found = _found(record_id)
    # What does not apply is left out of the answer; a template asks for all.
    record = dict.fromkeys(field.name for field in RECORD_STATUS.fields) | show(RECORD_STATUS, found)
    subjects = [f"usage:{record_id}", f"record:{record_id}"]
    return framed(desk, "records", "record", record=record, history=last_of(desk, subjects))


def _found(record_id: UUID) -> RecordStatus:
    found = find_record(record_id)
    if found is None:
        raise NotFound(f"there is no recording {record_id}")
    return found


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _by_key(session: Session, subscription_id: str, key: str) -> UUID | None:
    kept = kept_key(key)
    wanted = None if kept is None or not subscription_id else (subscription_id, "", kept)
    found = None if wanted is None else recorded_keys(session, [wanted]).get(wanted)
    return None if found is None else found.id


def _taken_back(_session: Session, record_id: UUID) -> Form:
    found = show(RECORD_STATUS, _found(record_id))
    what = f"{found.get('quantity', '')} {found.get('usageType', '')} of {found.get('subscriptionId', '')}"
    return Form(
        title="Take a recording back",
        says=f"{what}: it counts no more, and what was invoiced of it becomes a credit item. This cannot be undone.",
        verb="Take it back",
        current="records",
        back=address("records", record_id),
        boxes=[Box(name="reason", label="Reason", kind=REASON, help="The books keep it.")],
        danger=True,
    )


def _take_back(session: Session, operator: Operator, values: dict[str, Any], record_id: UUID) -> Done:
    void_usage(session, record_id, reason=values["reason"], actor=operator.actor, now=operator.now)
    return Done(address("records", record_id))


def _by_hand(_session: Session) -> Form:
    return Form(
        title="Record by hand",
        says="One use, straight into the books; no worker is needed.",
        verb="Record it",
        current="records",
        back=address("records"),
        boxes=[
            Box(name="userId", label="Customer", kind=IDENTIFIER),
            Box(name="subscriptionId", label="Subscription", kind=IDENTIFIER),
            Box(name="usageType", label="Usage type", kind=IDENTIFIER),
            Box(
                name="quantity",
                label="Quantity",
                required=False,
                help="Needed unless the usage type makes it from the metadata.",
            ),
            Box(name="timestamp", label="When", required=False, help="With its offset; now, if empty."),
            # Sending the form twice counts once.
            Box(
                name="idempotencyKey",
                label="Idempotency key",
                value=f"admin:{new_id()}",
                help="Recorded again with the same key, it counts once.",
            ),
            Box(name="source", label="Source", kind=IDENTIFIER, required=False),
            Box(name="metadata", label="Metadata", type="area", required=False, help="A JSON object.", rows=4),
        ],
    )


def _record(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    texts = {name: values[name] for name in _SENT if values[name] is not None}
    fields = typed_in(texts, values["metadata"])
    making = types_that_make_quantities(session) if "quantity" not in fields else frozenset()
    recording = parse_recording(fields, id=new_id(), received_at=operator.now, is_made=making.__contains__)
    record_by_hand(session, recording, actor=operator.actor, now=operator.now)
    return Done(address("records", recording.id))


change("/records/<uuid:record_id>/take-back", "void_record", _taken_back, _take_back)
change("/records/new", "record_by_hand", _by_hand, _record)
