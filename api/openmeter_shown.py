"""How our nouns look to OpenMeter's clients. Numbers are JSON numbers of all their digits."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from usage_billing.core.clock import instant_text
from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.core.decimals import plain
from usage_billing.customers.models import Customer
from usage_billing.reports.access import Access
from usage_billing.reports.meter_query import CUSTOMER, SUBJECT, MeterAnswer, MeterQuery, MeterRow
from usage_billing.reports.usage_types import UsageTypeView
from usage_billing.subscriptions.queries import Contract

_AGGREGATIONS = {"average": "AVG"}
_SIZES = {"minute": "MINUTE", "hour": "HOUR", "day": "DAY", "month": "MONTH"}


def number(value: Decimal) -> msgspec.Raw:
    """A JSON number with all digits of ``value``."""
    return msgspec.Raw(plain(value).encode())


def meter_shown(view: UsageTypeView) -> dict[str, Any]:
    """A usage type as a meter; its ``valueProperty`` is our expression. A level is ``LEVEL``, which OpenMeter lacks."""
    one, definition = view.usage_type, view.definition
    shown: dict[str, Any] = {
        "id": one.id,
        "slug": one.id,
        "name": one.unit_name,
        "aggregation": _AGGREGATIONS.get(one.aggregation, one.aggregation.upper()),
        "eventType": one.of or one.id,
        "createdAt": instant_text(one.created_at),
        "updatedAt": instant_text(one.created_at),
        "groupBy": {},
    }
    if definition is not None:
        if definition.value is not None:
            shown["valueProperty"] = definition.value
        shown["groupBy"] = {dimension.name: dimension.value for dimension in definition.dimensions or ()}
    return shown


def query_shown(answer: MeterAnswer, asked: MeterQuery) -> dict[str, Any]:
    """The answer to a query."""
    shown: dict[str, Any] = {"data": [_row(one) for one in answer.rows]}
    for name, at in (("from", asked.start), ("to", asked.end)):
        if at is not None:
            shown[name] = instant_text(at)
    if asked.by is not None:
        shown["windowSize"] = _SIZES[asked.by]
    return shown


def query_csv(answer: MeterAnswer, asked: MeterQuery) -> str:
    """The answer as a table: ``window_start,window_end,subject,NAME...,value``; ``customer_id`` where asked for."""
    names = [name for name in asked.group_by if name not in {SUBJECT, CUSTOMER}]
    customers = ["customer_id"] if CUSTOMER in asked.group_by else []
    lines = [csv_line(["window_start", "window_end", "subject", *customers, *names, "value"])]
    for one in answer.rows:
        cells = [one.customer_id] if customers else []
        cells += [_cell(one.dimensions[name]) for name in names]
        start, end = instant_text(one.start), instant_text(one.end)
        lines.append(csv_line([start, end, text_cell(one.subject), *cells, plain(one.value)]))
    return "".join(lines)


def _row(row: MeterRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "value": number(row.value),
        "windowStart": instant_text(row.start),
        "windowEnd": instant_text(row.end),
        "subject": row.subject,
        "groupBy": {name: _text(value) for name, value in row.dimensions.items()},
    }
    return shown if row.customer_id is None else shown | {"customerId": row.customer_id}


def _text(value: Any) -> str | None:
    """A value of a dimension as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _cell(value: Any) -> str | None:
    return text_cell(_text(value))


def entitlement_shown(found: Access) -> dict[str, Any]:
    """What is left of a usage type; without ``balance`` where nothing limits it."""
    shown: dict[str, Any] = {"hasAccess": found.has_access}
    shown |= {"usage": number(found.usage), "overage": number(found.overage)}
    return shown if found.balance is None else shown | {"balance": number(found.balance)}


def customer_shown(one: Customer, contracts: Sequence[Contract]) -> dict[str, Any]:
    """A customer; events name it by its id, or by the id of one of its subscriptions."""
    keys = list(dict.fromkeys([one.id, *(contract.id for contract in contracts)]))
    shown: dict[str, Any] = {
        "id": one.id,
        "key": one.id,
        "name": one.name,
        "createdAt": instant_text(one.created_at),
        "updatedAt": instant_text(one.created_at),
        "usageAttribution": {"subjectKeys": keys},
    }
    currencies = {contract.currency for contract in contracts}
    if len(currencies) == 1:
        shown["currency"] = currencies.pop()
    if one.email is not None:
        shown["primaryEmail"] = one.email
    return shown | ({"billingAddress": dict(_address(one.address))} if one.address else {})


def _address(address: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("line1", "line2", "postalCode", "city", "country"):
        if address.get(name):
            yield name, address[name]


def subject_shown(one: Customer) -> dict[str, Any]:
    """A customer as a subject."""
    made = instant_text(one.created_at)
    return {"id": one.id, "key": one.id, "displayName": one.name, "createdAt": made, "updatedAt": made}
