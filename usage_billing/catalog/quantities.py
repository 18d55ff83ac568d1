"""The quantity of a recording, where its usage type makes it from metadata. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from usage_billing.core.errors import InvalidInput
from usage_billing.expressions import expression
from usage_billing.expressions.errors import ExpressionError
from usage_billing.expressions.expression import Expression
from usage_billing.expressions.lacking import lacking
from usage_billing.expressions.values import field_of

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class QuantityVersion:
    """From ``since`` on the expression ``value`` makes the quantity; None: the sender gives it."""

    since: datetime
    value: str | None


class NoQuantity(ValueError):
    """The expression makes no quantity of these metadata; ``negative`` says that it makes one below 0."""

    def __init__(self, message: str, *, negative: bool = False) -> None:
        super().__init__(message)
        self.negative = negative


def expression_at(versions: Sequence[QuantityVersion], at: datetime) -> str | None:
    """What makes the quantity of a recording that occurred ``at``; ``versions`` has the latest first."""
    return next((one.value for one in versions if one.since <= at), None)


def check_expression(text: str) -> None:
    """Raises InvalidInput, pointing to ``/quantityFrom``, for what is no expression of a number."""
    try:
        expression.number(text)
    except ExpressionError as error:
        raise InvalidInput.field("/quantityFrom", str(error), code="not_an_expression") from error


def quantity_of(text: str, metadata: str) -> Decimal:
    """The quantity that the expression ``text`` makes of metadata, which are JSON: rounded half up to 12 places.

    Raises NoQuantity.
    """
    return quantity_in(text, _decoder.decode(metadata))


def quantity_in(text: str, metadata: Mapping[str, Any]) -> Decimal:
    """What ``quantity_of`` makes, of metadata that are read already. Raises NoQuantity."""
    made = _compiled(text)
    value = made.number(metadata)
    if value is None:
        raise NoQuantity(_what_is_wrong(made, metadata))
    if value < 0:
        raise NoQuantity(f"quantityFrom makes {value:f}, which is below 0", negative=True)
    return value or _NOTHING


def _what_is_wrong(made: Expression, metadata: Mapping[str, Any]) -> str:
    field = lacking(made.node, made.want, metadata)
    if field is None:
        return "quantityFrom has no value: it divides by zero, or comes to more than 10**15"
    name = ".".join(field.path)
    wrong = "is missing" if field_of(metadata, field.path) is None else "is not what quantityFrom takes it for"
    return f"quantityFrom has no value: the field {name} {wrong}"


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Expression:
    return expression.number(text)
