"""Quarantine: why recordings could not be counted, what exactly was sent, and what is decided about one."""

import json
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api.pagination import BY_ID
from usage_billing.core.errors import NotFound
from usage_billing.flows.recording import quarantine
from usage_billing.metering.models import QuarantinedUsage
from usage_billing.metering.queries import open_by_reason, quarantined_where
from usage_billing.metering.states import QuarantineReason, QuarantineStatus
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.quarantined import QUARANTINED
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.forms import Done, Form, change
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed

_ANY = "any"
# The field that is odd, by why a recording could not be counted, and what is to be done first.
_ODD: dict[str, tuple[str, str]] = {
    QuarantineReason.UNKNOWN_SUBSCRIPTION: ("subscriptionId", "Create the subscription, then replay it."),
    QuarantineReason.UNKNOWN_USAGE_TYPE: ("usageType", "Create the usage type, then replay it."),
    QuarantineReason.WRONG_CUSTOMER: ("userId", "Let the sender name the subscription's own customer; discard this."),
    QuarantineReason.OUTSIDE_SUBSCRIPTION: ("timestamp", "Move the subscription's start or end, then replay it."),
    QuarantineReason.SUBSCRIPTION_PAUSED: ("timestamp", "Discard it, or resume the subscription from before it."),
    QuarantineReason.CONFLICTING_DUPLICATE: ("idempotencyKey", "Another recording has this key: discard this."),
    QuarantineReason.NO_VALUE: ("metadata", "Let the usage type make a quantity of such metadata, then replay it."),
    QuarantineReason.NEGATIVE_QUANTITY: ("metadata", "What was made of the metadata is negative: discard it."),
    QuarantineReason.QUANTITY_DIFFERS: ("quantity", "It differs from what the metadata make: discard it."),
}


@blp.get("/quarantine")
@looking
def list_quarantine(desk: Desk) -> Response:
    """What is open, the newest first; ``reason``, ``status``, ``customer`` and ``subscription`` choose."""
    query = query_of("reason", "status", "customer", "subscription", "after")
    status = query.get("status", QuarantineStatus.OPEN.value)
    statement = quarantined_where(
        status=None if status == _ANY else status,
        reason=query.get("reason"),
        customer_id=query.get("customer"),
        subscription_id=query.get("subscription"),
    )
    by = [QuarantinedUsage.id]
    found = listed(desk, statement, query, noun=QUARANTINED, by=by, kind=BY_ID, path=["quarantine"], newest_first=True)
    reasons = open_by_reason(desk.session)
    chosen = query.get("reason")
    return framed(
        desk,
        "quarantine",
        "quarantine",
        rows=found.rows,
        following=found.following,
        query=query,
        decided=status,
        statuses=[*((one.value, one.value) for one in QuarantineStatus), (_ANY, "any")],
        reasons=reasons,
        whole=sum(reasons.values()),
        open_here=reasons.get(chosen, 0) if chosen else sum(reasons.values()),
    )


@blp.get("/quarantine/<uuid:record_id>")
@looking
def show_quarantined(desk: Desk, record_id: UUID) -> Response:
    """One recording: why it could not be counted, and what exactly was sent."""
    query_of()
    row = show(QUARANTINED, _found(desk.session, record_id))
    field, cure = _ODD.get(row["reason"], ("", "See the log of the worker, put it right, then replay it."))
    return framed(
        desk,
        "quarantine",
        "quarantined",
        row=row,
        lines=_lines(row, field),
        cure=cure,
        history=last_of(desk, [f"record:{record_id}"]),
    )


def _lines(row: Shape, field: str) -> list[tuple[str, bool]]:
    """What was sent, as lines of JSON, each with whether it is the odd one; what cannot be read as it is kept."""
    sent = row["recording"] if row["recording"] is not None else row["payload"]
    lines, odd = [], False
    for line in json.dumps(sent, indent=2, ensure_ascii=False, default=str).splitlines():
        if line.startswith('  "'):
            odd = bool(field) and line.startswith(f'  "{field}":')
        lines.append((line, odd and line not in {"{", "}"}))
    return lines


def _found(session: Session, record_id: UUID) -> QuarantinedUsage:
    found = session.get(QuarantinedUsage, record_id)
    if found is None:
        raise NotFound(f"there is nothing quarantined as {record_id}")
    return found


def _form(session: Session, record_id: UUID, *, title: str, says: str, verb: str, danger: bool) -> Form:
    row = _found(session, record_id)
    back = address("quarantine", record_id)
    says = f"{row.detail} {says}"
    return Form(title=title, says=says, verb=verb, current="quarantine", back=back, danger=danger)


def _replayed(session: Session, record_id: UUID) -> Form:
    says = "It is counted now, or stays here if the reason is not gone."
    return _form(session, record_id, title="Replay a recording", says=says, verb="Replay", danger=False)


def _replay(session: Session, operator: Operator, _values: dict[str, Any], record_id: UUID) -> Done:
    quarantine.replay(session, record_id, actor=operator.actor, now=operator.now)
    return Done(address("quarantine", record_id))


def _discarded(session: Session, record_id: UUID) -> Form:
    says = "It is never counted, and stays readable. This cannot be undone."
    return _form(session, record_id, title="Discard a recording", says=says, verb="Discard", danger=True)


def _discard(session: Session, operator: Operator, _values: dict[str, Any], record_id: UUID) -> Done:
    quarantine.discard(session, record_id, actor=operator.actor, now=operator.now)
    return Done(address("quarantine", record_id))


change("/quarantine/<uuid:record_id>/replay", "replay", _replayed, _replay)
change("/quarantine/<uuid:record_id>/discard", "discard", _discarded, _discard)
