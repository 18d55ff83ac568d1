"""JSON exactly as in RFC 8259: exact numbers, no repeated names, UTF-8 without a byte order mark.

Python's own reader takes NaN, keeps the last of two equal names, and turns numbers into floats. Each of these would
bill a customer wrongly.
"""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from api.errors import Unreadable
from usage_billing.core.decimals import strip_zeros
from usage_billing.core.json_names import RepeatedName, once

MAX_NUMBER_LENGTH = 128
_SMALL_INTEGER = 18  # a number of so many digits always fits 64 bits
_FAR = 100  # a number with an exponent beyond this is kept as it is spelled
_EXPONENT = re.compile(r"[eE][+-]?0*[0-9]{5}")
_BOM = "\ufeff"


def read_json(data: bytes) -> Any:
    """Decode a body: objects, lists, strings, ``int`` or ``Decimal``, ``bool``, None.

    Raises Unreadable (400) for anything that is not one well-formed JSON text.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("the body is not UTF-8", code="not_utf8") from error
    if text.startswith(_BOM):
        raise Unreadable("the body begins with a byte order mark; send UTF-8 without one", code="not_utf8")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"the body is not JSON: {error.msg} at {where}", code="not_json") from error
    except RepeatedName as error:
        raise Unreadable(f"the body {error}", code="repeated_name") from error
    except RecursionError as error:
        raise Unreadable("the body is nested too deep", code="too_deep") from error


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _SMALL_INTEGER else _number(text)


def _number(text: str) -> Decimal:
    """The number as it is spelled; equal numbers come out equal in text as well (``1.50`` as ``1.5``)."""
    if len(text) > MAX_NUMBER_LENGTH or _EXPONENT.search(text):
        raise Unreadable("the body holds a number of more digits than are read", code="number_too_long")
    value = Decimal(text)
    return strip_zeros(value) if -_FAR <= value.adjusted() <= _FAR else value


def _constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON", code="not_json")


_decoder = json.JSONDecoder(object_pairs_hook=once, parse_float=_number, parse_int=_integer, parse_constant=_constant)
