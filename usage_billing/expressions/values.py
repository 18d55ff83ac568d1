"""What a field of the metadata is, where a number, a text or a condition is wanted."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import MAX_QUANTITY, strip_zeros
from usage_billing.expressions.check import MAX_PLACES

NUMERAL = r"-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
"""How a text spells a number, as a pattern that Python and PostgreSQL read alike."""

_NUMERAL = re.compile(NUMERAL)


class JsonNull:
    """JSON's null, which is a value; Python's None is none."""


NULL = JsonNull()

Json = Any
"""A value of metadata as ``msgspec`` or ``json`` read it with decimals: None is JSON's null."""


def field_of(metadata: Mapping[str, Json], path: tuple[str, ...]) -> Json:
    """What the metadata have at ``path``, ``NULL`` for JSON's null; None if there is nothing."""
    found: Json = metadata
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return NULL if found is None else found


def as_number(value: Json) -> Decimal | None:
    """The number that a field is or, as a text, spells; None beyond 10**15 and with more than 100 decimal places."""
    if isinstance(value, str):
        if _NUMERAL.fullmatch(value) is None:
            return None
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    # abs() would round it to 28 digits.
    if number.copy_abs() > MAX_QUANTITY or (number and number.adjusted() < -MAX_PLACES):
        return None
    number = strip_zeros(number)
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and -exponent <= MAX_PLACES else None


def as_text(value: Json) -> str | None:
    """The text that a field is."""
    return value if isinstance(value, str) else None


def as_truth(value: Json) -> bool | None:
    """The boolean that a field is."""
    return value if isinstance(value, bool) else None


def as_scalar(value: Json) -> Json:
    """The number, text, boolean or ``NULL`` that a field is; no list and no object."""
    return None if isinstance(value, Mapping | list) else value
