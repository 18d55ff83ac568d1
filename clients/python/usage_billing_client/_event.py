"""A recording as it goes over the wire and into files: one line of JSON. Pure, but for the clock and the key.

The line is made when the usage happens, and has its own idempotency key and time. So it may be sent any number of
times, from memory or from a file, today or after a restart: it still counts once, at the time when it happened. The
service judges the values; this module refuses only what it cannot write at all.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Union
from uuid import uuid4

from usage_billing_client._metadata import plain_mapping, spell_other

Quantity = Union[int, Decimal, str, float]
Metadata = Mapping[str, object]

MAX_EVENT_BYTES = 256 * 1024
"""Far more than the service takes; it keeps a mistaken recording from filling the queue."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN_UP_TO = 40  # decimal digits before or after the point that are spelled out rather than given an exponent


def new_key() -> str:
    """An idempotency key: 32 random hexadecimal digits."""
    return uuid4().hex


def spell(
    user_id: str,
    subscription_id: str,
    usage_type: str,
    quantity: Quantity | None,
    *,
    metadata: Metadata | None = None,
    timestamp: datetime | None = None,
    key: str,
    source: str = "",
) -> dict[str, object]:
    """One recording as the object that is sent; its metadata is the caller's until ``line_of`` writes it.

    Without a ``quantity`` the service makes it from the metadata, if the usage type does so.
    ``timestamp`` is when the usage happened, now if absent. Raises TypeError or ValueError for what cannot be
    written: a wrong type, a number that is none, a timestamp without offset, metadata that has no plain form.
    """
    names = {"userId": user_id, "subscriptionId": subscription_id, "usageType": usage_type, "idempotencyKey": key}
    if source:
        names["source"] = source
    for name, value in names.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    fields: dict[str, object] = dict(names, timestamp=spell_time(timestamp))
    if quantity is not None:
        fields["quantity"] = spell_quantity(quantity)
    if metadata is not None:
        if not isinstance(metadata, Mapping):
            raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
        fields["metadata"] = dict(metadata)
    return fields


def line_of(fields: Mapping[str, object]) -> bytes:
    """A recording as a line of JSON, without the line's end. Raises TypeError or ValueError."""
    line = _dump(fields)
    if len(line) > MAX_EVENT_BYTES:
        raise ValueError(f"the recording has {len(line)} bytes, more than {MAX_EVENT_BYTES}; send less metadata")
    return line


def spell_quantity(quantity: Quantity) -> str:
    """The decimal that is meant, as text. A float is taken as Python prints it: ``0.1`` is one tenth."""
    if isinstance(quantity, bool):
        raise TypeError("quantity must be a number, not bool")
    if isinstance(quantity, str):
        if _NUMBER.fullmatch(quantity) is None:
            raise ValueError(f"quantity must be a decimal number, not {quantity[:40]!r}")
        return quantity
    if isinstance(quantity, Decimal):
        if not quantity.is_finite():
            raise ValueError("quantity must be finite")
        return format(quantity, "f") if _is_short(quantity) else str(quantity)
    if isinstance(quantity, float):
        if not math.isfinite(quantity):
            raise ValueError("quantity must be finite")
        return float.__repr__(quantity)
    try:
        return int.__repr__(operator.index(quantity))
    except TypeError:
        raise TypeError(f"quantity must be int, Decimal, str or float, not {type(quantity).__name__}") from None


def spell_time(instant: datetime | None) -> str:
    """RFC 3339 in UTC with microseconds; now, if ``instant`` is None. Raises ValueError for a naive time."""
    if instant is None:
        instant = datetime.now(timezone.utc)
    elif not isinstance(instant, datetime):
        raise TypeError(f"timestamp must be a datetime, not {type(instant).__name__}")
    elif instant.utcoffset() is None:
        raise ValueError("timestamp must carry an offset, such as datetime.now(timezone.utc)")
    else:
        instant = instant.astimezone(timezone.utc)
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _is_short(quantity: Decimal) -> bool:
    exponent = quantity.as_tuple().exponent
    return isinstance(exponent, int) and -_PLAIN_UP_TO <= exponent <= _PLAIN_UP_TO


def _dump(fields: Mapping[str, object]) -> bytes:
    try:
        try:
            return _encoded(fields)
        except (TypeError, ValueError):  # NaN, or a key that is no text: what JSON's encoder asks no function about
            return _encoded(plain_mapping(fields))
    except RecursionError:
        raise ValueError("metadata is nested too deep") from None


def _encoded(fields: Mapping[str, object]) -> bytes:
    try:
        return _plain.encode(fields).encode()
    except UnicodeEncodeError:  # half a surrogate pair: escaped it is valid JSON, and the service judges it
        return _escaped.encode(fields).encode("ascii")


_plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=spell_other)
_escaped = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=spell_other)
