"""Recordings: a page of them, or the one that a reader looks for by its id or its key."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.core.identifiers import kept_key
from usage_billing.metering.queries import recorded_keys
from usage_billing.reports.record_status import recorded_status
from usage_billing.reports.records import Position, records_of
from usage_billing.subscriptions.queries import Contract
from usage_billing.wire.noun import show
from usage_billing.wire.recording import RECORD, RECORD_STATUS
from web.portal.visit import Visit

PAGE = 50


def records(visit: Visit, contract: Contract, query: dict[str, str]) -> dict[str, Any]:
    """What the page shows: the one looked for, if one is, and else a page of recordings, newest first."""
    if "find" in query:
        return {"found": find(visit, contract, query["find"]), "rows": [], "after": None}
    day = _day(query.get("day"), contract.timeline.zone)
    page = records_of(
        visit.session,
        contract.id,
        limit=PAGE,
        after=_position(query.get("after")),
        start=day,
        end=None if day is None else _next(day, contract.timeline.zone),
    )
    rows = [show(RECORD, one) for one in page.rows]
    after = None if page.last is None else f"{page.last[0]}.{page.last[1]}"
    return {"found": None, "rows": rows, "after": after}


def find(visit: Visit, contract: Contract, text: str) -> dict[str, Any] | None:
    """What became of the recording with this id or key, if it is the customer's; None where there is none."""
    record_id = _id_of(text) or _by_key(visit.session, contract.id, text)
    status = None if record_id is None else recorded_status(visit.session, record_id)
    if status is None or status.customer_id != visit.customer_id:
        return None
    # What does not apply is left out of the answer; a template asks for all.
    return dict.fromkeys(field.name for field in RECORD_STATUS.fields) | show(RECORD_STATUS, status)


def _by_key(session: Session, subscription_id: str, key: str) -> UUID | None:
    """The id of the recording with this key and without a source."""
    kept = kept_key(key)
    wanted = None if kept is None else (subscription_id, "", kept)
    found = None if wanted is None else recorded_keys(session, [wanted]).get(wanted)
    return None if found is None else found.id


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    place, _, record_id = text.partition(".")
    try:
        found = int(place), UUID(record_id)
    except ValueError:
        found = None
    if found is None or abs(found[0]) >= 2**63:
        raise InvalidInput.field("?after", "is no address that this page has", code="bad_cursor")
    return found


def _day(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZoneInfo(zone))
        return day.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput.field("?day", "must be a day like 2026-11-19", code="not_a_time") from None


def _next(day: datetime, zone: str) -> datetime:
    local = day.astimezone(ZoneInfo(zone))
    return (local.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
