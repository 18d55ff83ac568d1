"""What OpenMeter's clients ask of a meter: parameters of the address, or a JSON body of the same names.

What is not known is refused: a filter that is passed over would return a larger number.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import read_instant
from usage_billing.reports.meter_query import MeterQuery

_WINDOWS = {"MINUTE": "minute", "HOUR": "hour", "DAY": "day", "MONTH": "month"}
_ONE = frozenset({"from", "to", "windowSize", "windowTimeZone", "clientId"})
_MANY = frozenset({"subject", "filterCustomerId", "groupBy"})
_FILTER = "filterGroupBy"
_IN_BRACKETS = re.compile(r"filterGroupBy\[([^\[\]]{1,128})\]")
_LONGEST, _MOST = 4096, 100
_THEIRS = {"timezone": "windowTimeZone", "by": "windowSize"}
_FLAGS = {"true": True, "false": False}
# Well within the times that windows can be made of.
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

Mark = str
"""What a pointer begins with: ``?`` for a parameter, ``/`` for a member of the body."""


def query_of_address(parameters: Mapping[str, Sequence[str]]) -> MeterQuery:
    """The query in an address; raises InvalidInput.

    ``filterGroupBy`` is spelled ``filterGroupBy[NAME]=VALUE`` by the npm client, and as the text of a dict by Python's.
    """
    found: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for name, values in parameters.items():
        inner = _IN_BRACKETS.fullmatch(name)
        if inner is not None:
            wanted[inner[1]] = list(values)
        elif name in _MANY:
            found[name] = list(values)
        elif len(values) > 1:
            raise InvalidInput.field(f"?{name[:64]}", "is given twice", code="repeated")
        elif name == _FILTER:
            wanted |= _dict_of(values[0])
        else:
            found[name] = values[0]
    return _query(found | ({_FILTER: wanted} if wanted else {}), "?")


def query_of_body(body: Any) -> MeterQuery:
    """The query in a body; raises InvalidInput."""
    if not isinstance(body, dict):
        raise InvalidInput.field("", "must be an object", code="not_an_object")
    return _query({name: value for name, value in body.items() if value is not None}, "/")


def by_their_names(error: InvalidInput, mark: Mark) -> InvalidInput:
    """The error with its fields called as OpenMeter's clients call them."""
    fields = [
        replace(one, pointer=f"{mark}{_THEIRS.get(one.pointer.strip('/'), one.pointer.strip('/'))}")
        for one in error.fields
    ]
    return InvalidInput(error.message, fields=tuple(fields), code=error.code)


def _query(found: Mapping[str, Any], mark: Mark) -> MeterQuery:
    for name in found:
        if name not in _ONE | _MANY | {_FILTER}:
            raise InvalidInput.field(f"{mark}{name[:64]}", "is not a part of a query here", code="unknown")
    window = found.get("windowSize")
    if window is not None and (not isinstance(window, str) or window not in _WINDOWS):
        raise InvalidInput.field(f"{mark}windowSize", f"must be one of: {', '.join(_WINDOWS)}", code="not_a_choice")
    texts = _reader(mark, found)
    start, end = moment_of(found.get("from"), f"{mark}from"), moment_of(found.get("to"), f"{mark}to")
    if start is not None and end is not None and end <= start:
        raise InvalidInput.field(f"{mark}to", "must be after from", code="out_of_range")
    return MeterQuery(
        start=start,
        end=end,
        by=None if window is None else _WINDOWS[window],
        zone=_text(found.get("windowTimeZone"), f"{mark}windowTimeZone"),
        subjects=texts("subject"),
        customers=texts("filterCustomerId"),
        wanted=_wanted(found.get(_FILTER, {}), f"{mark}{_FILTER}"),
        group_by=list(dict.fromkeys(texts("groupBy") or ())),
    )


def _reader(mark: Mark, found: Mapping[str, Any]) -> Callable[[str], list[str] | None]:
    def texts(name: str) -> list[str] | None:
        return _texts(found[name], f"{mark}{name}") if name in found else None

    return texts


def _text(value: Any, pointer: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidInput.field(pointer, "must be a text", code="not_a_text")
    return value


def _texts(value: Any, pointer: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts) or not 1 <= len(texts) <= _MOST:
        raise InvalidInput.field(pointer, f"must be a list of 1 to {_MOST} texts", code="invalid")
    return texts


def moment_of(value: Any, pointer: str) -> datetime | None:
    """The time in a parameter or a member, None where there is none; raises InvalidInput for what is no time."""
    if value is None:
        return None
    try:
        found = read_instant(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput.field(pointer, "must be an RFC 3339 time such as 2026-01-31T12:00:00Z", code="not_a_time")
    if not _EARLIEST <= found <= _LATEST:
        message = f"must be between {_EARLIEST:%Y-%m-%d} and {_LATEST:%Y-%m-%d}"
        raise InvalidInput.field(pointer, message, code="out_of_range")
    return found


def _dict_of(spelled: str) -> dict[str, Any]:
    """The dict that Python's client spells as ``{'model': 'gpt'}``; JSON's objects of texts are such a text as well."""
    try:
        found = ast.literal_eval(spelled) if len(spelled) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        message = f"must be spelled {_FILTER}[NAME]=VALUE, or as an object of texts"
        raise InvalidInput.field(f"?{_FILTER}", message, code="invalid")
    return found


def _wanted(value: Any, pointer: str) -> dict[str, list[str | bool | None]]:
    """The values of dimensions that are wanted: texts, also where a dimension is true or false."""
    if not isinstance(value, dict):
        raise InvalidInput.field(pointer, "must be an object of texts", code="not_an_object")
    return {name: [*_texts(values, pointer), *_flags(_texts(values, pointer))] for name, values in value.items()}


def _flags(texts: Sequence[str]) -> list[str | bool | None]:
    return [_FLAGS[text] for text in texts if text in _FLAGS]
