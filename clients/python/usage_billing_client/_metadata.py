"""How metadata is written that JSON has no form for: as the text that a person would write. Pure.

Usage is not lost for the form of its metadata: what has one plain form is written in it. What has none, such as an
object of the caller's or bytes that are no text, is refused with TypeError or ValueError.
"""

from __future__ import annotations

import ipaddress
import math
import operator
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Callable
from uuid import UUID

_DEEPEST = 500


def spell_other(value: object) -> object:
    """The form of a value that JSON has none for; raises TypeError for one that has no plain form.

    A time with an offset is written in UTC, one without as it stands. An ``Enum`` is written as its value, a path and
    UTF-8 bytes as their text, a set as a list, in order. NaN and the infinities are texts.
    """
    for kinds, spell in _FORMS:
        if isinstance(value, kinds):
            return spell(value)
    try:
        return operator.index(value)  # type: ignore[arg-type]  # numpy's integers
    except TypeError:
        raise TypeError(f"metadata cannot hold {type(value).__name__}") from None


def plain_mapping(fields: Mapping[str, object]) -> dict[str, object]:
    """``fields`` with every value and every name inside in a form that JSON has; raises TypeError or ValueError."""
    return {name: _plain(value, depth=0) for name, value in fields.items()}


def _plain(value: object, *, depth: int) -> object:
    if depth > _DEEPEST:
        raise ValueError("metadata is nested too deep")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _spell_infinite(value)
    if isinstance(value, Mapping):
        found = {_name(name): _plain(inner, depth=depth + 1) for name, inner in value.items()}
        if len(found) < len(value):
            raise ValueError("two names of the metadata are written alike")
        return found
    if isinstance(value, (list, tuple)):
        return [_plain(inner, depth=depth + 1) for inner in value]
    return _plain(spell_other(value), depth=depth + 1)


def _name(name: object) -> str:
    """A key of a mapping as text, as JSON's encoder writes those that it knows."""
    if isinstance(name, str):
        return str.__str__(name)
    if name is None or isinstance(name, bool):
        return {None: "null", True: "true", False: "false"}[name]
    if isinstance(name, float):
        return float.__repr__(name) if math.isfinite(name) else _spell_infinite(name)
    if isinstance(name, int):
        return int.__repr__(name)
    return _name(spell_other(name))


def _spell_datetime(instant: datetime) -> str:
    if instant.utcoffset() is None:
        return instant.isoformat()
    return instant.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _spell_infinite(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _spell_bytes(data: bytes | bytearray | memoryview) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        raise TypeError("metadata cannot hold bytes that are no UTF-8 text; give them as text, such as hex()") from None


def _in_order(values: Iterable[object]) -> list[object]:
    """The members of a set, always in the same order, so that a recording sent twice is the same twice."""
    return sorted(values, key=lambda value: (type(value).__name__, str(value)))


_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network)
_FORMS: tuple[tuple[tuple[type[Any], ...], Callable[[Any], object]], ...] = (
    ((datetime,), _spell_datetime),  # before date, which it is too
    ((date, time), lambda value: value.isoformat()),
    ((Enum,), lambda value: value.value),
    ((Decimal, UUID, timedelta, *_ADDRESSES), str),
    ((os.PathLike,), os.fsdecode),
    ((bytes, bytearray, memoryview), _spell_bytes),
    ((set, frozenset), _in_order),
    ((Mapping,), dict),
)
"""How values of these types are written; the first that fits counts."""
