"""Compiles a checked tree to a Python function from metadata to a value."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from operator import eq, ge, gt, le, lt, ne
from typing import Any, assert_never

from usage_billing.expressions.check import Kind, compared_as
from usage_billing.expressions.tree import (
    Call,
    Choice,
    Comparison,
    Field,
    Has,
    Logic,
    Negative,
    Node,
    Not,
    Null,
    Number,
    Product,
    Quotient,
    Sum,
    Text,
    Truth,
)
from usage_billing.expressions.values import NULL, Json, as_number, as_scalar, as_text, as_truth, field_of

Metadata = Mapping[str, Json]
Evaluate = Callable[[Metadata], Any]
"""Gives the value on some metadata; None is no value."""

# Wide enough for what check_size lets through, so nothing is ever rounded here.
_EXACT = Context(prec=4096, Emin=-4096, Emax=4096, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDING = Context(prec=4096, Emin=-4096, Emax=4096, traps=[InvalidOperation])
_ONE = Decimal(1)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_READ: Mapping[Kind | None, Callable[[Json], Any]] = {
    Kind.NUMBER: as_number,
    Kind.TEXT: as_text,
    Kind.TRUTH: as_truth,
    Kind.NULL: as_scalar,
    Kind.FIELD: as_scalar,
    None: lambda value: value,
}


def compile_python(node: Node, want: Kind | None) -> Evaluate:  # noqa: PLR0911  a case for each node
    """The function of ``node``; fields are read as ``want``, with None as whatever they are.

    With Kind.FIELD lists and objects are no value. JSON's null is ``values.NULL``.
    """
    match node:
        case Number() | Text() | Truth():
            constant = node.value
            return lambda _: constant
        case Null():
            null = None if want in {Kind.NUMBER, Kind.TEXT, Kind.TRUTH} else NULL
            return lambda _: null
        case Field():
            path, read = node.path, _READ[want]
            return lambda metadata: read(field_of(metadata, path))
        case Has():
            path = node.field.path
            return lambda metadata: field_of(metadata, path) is not None
        case Sum() | Product() | Negative() | Call() | Quotient():
            return _number(node)
        case Not():
            inner = compile_python(node.inner, Kind.TRUTH)
            return lambda metadata: None if (found := inner(metadata)) is None else not found
        case Logic():
            return _logic(node.operator == "||", [compile_python(part, Kind.TRUTH) for part in node.parts])
        case Comparison():
            return _comparison(node)
        case Choice():
            return _choice(
                compile_python(node.condition, Kind.TRUTH),
                compile_python(node.yes, want),
                compile_python(node.no, want),
            )
        case _:
            assert_never(node)


def _number(node: Sum | Product | Negative | Call | Quotient) -> Evaluate:  # noqa: PLR0911  a case for each node
    match node:
        case Sum():
            signs = [_ONE, *(_ONE if sign == "+" else -_ONE for sign, _ in node.rest)]
            return _of([node.first, *(part for _, part in node.rest)], lambda values: _added(signs, values))
        case Product():
            return _of(node.factors, _multiplied)
        case Negative():
            return _of([node.inner], lambda values: _EXACT.minus(values[0]))
        case Quotient():
            places = node.places
            return _of([node.dividend, node.divisor], lambda values: _divided(values[0], values[1], places))
        case Call(name="abs"):
            return _of(node.arguments, lambda values: _EXACT.abs(values[0]))
        case Call(name="ceil" | "floor"):
            rounding = ROUND_CEILING if node.name == "ceil" else ROUND_FLOOR
            return _of(node.arguments, lambda values: _whole(values[0], rounding))
        case _:
            return _of(node.arguments, min if node.name == "min" else max)


def _of(nodes: Sequence[Node], reckon: Callable[[list[Decimal]], Decimal | None]) -> Evaluate:
    """``reckon`` of the numbers that ``nodes`` give; no value if one of them is none."""
    parts = [compile_python(node, Kind.NUMBER) for node in nodes]

    def evaluate(metadata: Metadata) -> Decimal | None:
        values = [part(metadata) for part in parts]
        return None if None in values else reckon(values)

    return evaluate


def _added(signs: Sequence[Decimal], values: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for sign, value in zip(signs, values, strict=True):
        total = _EXACT.add(total, value) if sign == 1 else _EXACT.subtract(total, value)
    return total


def _multiplied(values: Sequence[Decimal]) -> Decimal:
    total = _ONE
    for value in values:
        total = _EXACT.multiply(total, value)
    return total


def _divided(dividend: Decimal, divisor: Decimal, places: int) -> Decimal | None:
    """Half up: in whole numbers, so that nothing is rounded twice."""
    if not divisor:
        return None
    halves = _EXACT.divide_int(_EXACT.multiply(dividend, Decimal(2).scaleb(places)), divisor)
    whole = _whole(_EXACT.multiply(halves, Decimal("0.5")), ROUND_HALF_UP)
    return _EXACT.scaleb(whole, -places)


def _whole(value: Decimal, rounding: str) -> Decimal:
    return value.to_integral_value(rounding=rounding, context=_ROUNDING)


def _logic(decides: bool, parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(metadata: Metadata) -> bool | None:
        found = [part(metadata) for part in parts]
        if decides in found:
            return decides
        return None if None in found else not decides

    return evaluate


def _comparison(node: Comparison) -> Evaluate:
    kind = compared_as(node)
    left, right, order = compile_python(node.left, kind), compile_python(node.right, kind), _ORDER[node.operator]
    key = _typed if kind in {Kind.FIELD, Kind.NULL} else _itself

    def evaluate(metadata: Metadata) -> bool | None:
        one, other = left(metadata), right(metadata)
        return None if one is None or other is None else order(key(one), key(other))

    return evaluate


def _typed(value: Json) -> tuple[str, Json]:
    """A scalar beside its type: JSON's true is not its 1."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, str):
        return ("text", value)
    return ("null", None) if value is NULL else ("number", value)


def _itself(value: Json) -> Json:
    return value


def _choice(condition: Evaluate, yes: Evaluate, no: Evaluate) -> Evaluate:
    def evaluate(metadata: Metadata) -> Any:
        found = condition(metadata)
        return None if found is None else yes(metadata) if found else no(metadata)

    return evaluate
