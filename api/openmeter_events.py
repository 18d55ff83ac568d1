"""What OpenMeter's clients ask of the events that came in, and how one looks to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from api.errors import Unreadable
from api.ingest.strict_json import read_json
from api.openmeter_query import moment_of
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import INSTANT
from usage_billing.metering.spelling import EARLIEST
from usage_billing.reports.ingested import Ingested, IngestedQuery
from usage_billing.reports.subjects import contracts_named
from usage_billing.subscriptions.queries import contracts_of

USUAL_SPAN = timedelta(hours=72)
"""Of events that occurred in so much time before now, unless ``from`` is given."""

_MOST = 100
_ONE = frozenset({"clientId", "ingestedAtFrom", "ingestedAtTo", "id", "subject", "from", "to", "limit"})
_CUSTOMERS = "customerId"


def events_asked(session: Session, parameters: Mapping[str, Sequence[str]], *, now: datetime) -> IngestedQuery:
    """The question in an address; raises InvalidInput for a parameter that is not known.

    ``from`` and ``to`` are of the time at which it occurred; both ends are part of the span. A part of an ``id``
    finds it; a ``subject`` is whole.
    """
    for name, values in parameters.items():
        if name not in {*_ONE, _CUSTOMERS}:
            raise InvalidInput.field(f"?{name[:64]}", "is not a parameter of this request", code="unknown")
        if name in _ONE and len(values) > 1:
            raise InvalidInput.field(f"?{name}", "is given twice", code="repeated")
    given = {name: values[0] for name, values in parameters.items()}
    times = {name: moment_of(given.get(name), f"?{name}") for name in ("from", "to", "ingestedAtFrom", "ingestedAtTo")}
    names, subscriptions = _whose(session, given.get("subject"), parameters.get(_CUSTOMERS))
    return IngestedQuery(
        start=times["from"] or now - USUAL_SPAN,
        end=_after(times["to"]),
        since=times["ingestedAtFrom"] or EARLIEST,
        until=_after(times["ingestedAtTo"]),
        key=given.get("id", ""),
        names=names,
        subscriptions=subscriptions,
        limit=_limit(given.get("limit")),
    )


def _whose(
    session: Session, subject: str | None, customers: Sequence[str] | None
) -> tuple[frozenset[str] | None, list[str] | None]:
    """The names of what is asked for, and the subscriptions that they stand for; None for all."""
    if subject is None and customers is None:
        return None, None
    if subject is None:
        contracts = [one for name in customers or () for one in contracts_of(session, name)]
        names = frozenset(customers or ())
    else:
        contracts, names = contracts_named(session, subject), frozenset([subject])
        if customers is not None:
            contracts = [one for one in contracts if one.customer_id in customers]
            names = frozenset() if not contracts and subject not in customers else names
    return names, list(dict.fromkeys(one.id for one in contracts))


def _after(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant + INSTANT


def _limit(text: str | None) -> int:
    if text is None:
        return _MOST
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) and 1 <= int(text) <= _MOST):
        raise InvalidInput.field("?limit", f"must be a number from 1 to {_MOST}", code="out_of_range")
    return int(text)


def event_shown(one: Ingested) -> dict[str, Any]:
    """An event as it came, with when, and why it is not counted. A recorded one names its subscription."""
    shown: dict[str, Any] = {
        "event": _event(one),
        "ingestedAt": instant_text(one.received_at),
        "storedAt": instant_text(one.stored_at),
    }
    if one.customer_id is not None:
        shown["customerId"] = one.customer_id
    return shown | ({"validationError": one.error} if one.error else {})


def _event(one: Ingested) -> dict[str, Any]:
    event: dict[str, Any] = {"specversion": "1.0", "id": one.key, "source": one.source, "type": one.usage_type}
    event |= {"subject": one.subject, "time": instant_text(one.occurred_at), "data": msgspec.Raw(one.data.encode())}
    if not one.unread:
        return event
    try:
        sent = read_json(one.unread.encode())
    except Unreadable:
        sent = None
    return event | {"data": None} | (sent if isinstance(sent, dict) else {"data": {"sent": one.unread}})
