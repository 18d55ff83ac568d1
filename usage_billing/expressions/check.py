"""Kinds and sizes: what each node gives, whether its place takes that, and how long its number can become.

The sizes bound the work of both compilers: no recording can make an expression run long, or overflow in PostgreSQL.
"""

from enum import StrEnum
from typing import NamedTuple, assert_never

from usage_billing.core.decimals import MAX_QUANTITY, strip_zeros
from usage_billing.expressions.errors import ExpressionError
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

MAX_PLACES = 100
"""Decimal places of a field, and of a number in an expression. A field with more is no value."""

_MAX_DIGITS = 1000  # of what an expression reckons, before the point and after it
_WHOLE = len(str(MAX_QUANTITY))


class Kind(StrEnum):
    """What a node gives. A FIELD is what its place wants it to be."""

    NUMBER = "a number"
    TEXT = "a text"
    TRUTH = "a condition"
    NULL = "null"
    FIELD = "a field"


class Size(NamedTuple):
    """At most so many digits before the point, and after it."""

    whole: int
    places: int


def kind_of(node: Node) -> Kind:  # noqa: PLR0911  a case for each node
    """The kind of what ``node`` gives. Raises ExpressionError where a part of it does not fit its place."""
    match node:
        case Number():
            _check_number(node)
            return Kind.NUMBER
        case Text():
            return Kind.TEXT
        case Truth() | Has():
            return Kind.TRUTH
        case Null():
            return Kind.NULL
        case Field():
            return Kind.FIELD
        case Sum() | Product() | Negative() | Call() | Quotient():
            for part in _parts(node):
                demand(part, Kind.NUMBER)
            return Kind.NUMBER
        case Not() | Logic():
            for part in [node.inner] if isinstance(node, Not) else node.parts:
                demand(part, Kind.TRUTH)
            return Kind.TRUTH
        case Comparison():
            compared_as(node)
            return Kind.TRUTH
        case Choice():
            demand(node.condition, Kind.TRUTH)
            return _common(node)
        case _:
            assert_never(node)


def demand(node: Node, kind: Kind) -> None:
    """Raise ExpressionError unless ``node`` can give ``kind``: a field can give everything but a condition."""
    found = kind_of(node)
    if found == kind or (found == Kind.FIELD and kind != Kind.TRUTH):
        return
    if found == Kind.FIELD:
        raise ExpressionError("a field alone is no condition: compare it, as in x == true", node.at)
    raise ExpressionError(f"{kind} is wanted here, and this is {found}", node.at)


def compared_as(node: Comparison) -> Kind:
    """What both sides of a comparison are read as; FIELD: as whatever each is. Raises ExpressionError."""
    left, right = kind_of(node.left), kind_of(node.right)
    kinds = {left, right} - {Kind.FIELD}
    if len(kinds) > 1:
        raise ExpressionError(f"{left} and {right} cannot be compared", node.at)
    kind = kinds.pop() if kinds else Kind.FIELD
    if node.operator in {"==", "!="}:
        return kind
    if kind in {Kind.TRUTH, Kind.NULL}:
        raise ExpressionError(f"{kind} is neither more nor less than another", node.at)
    return Kind.NUMBER if kind == Kind.FIELD else kind


def check_size(node: Node) -> None:
    """Raise ExpressionError where a number could become longer than 1,000 digits on a side of the point."""
    if kind_of(node) in {Kind.NUMBER, Kind.FIELD}:
        _size(node)
    else:
        for part in _parts(node):
            check_size(part)


def _check_number(node: Number) -> None:
    exponent = strip_zeros(node.value).as_tuple().exponent if node.value.adjusted() <= _MAX_DIGITS else 0
    if node.value > MAX_QUANTITY:
        raise ExpressionError(f"a number is at most {MAX_QUANTITY:f}", node.at)
    if isinstance(exponent, int) and -exponent > MAX_PLACES:
        raise ExpressionError(f"a number has at most {MAX_PLACES} decimal places", node.at)


def _common(node: Choice) -> Kind:
    kinds = {kind_of(node.yes), kind_of(node.no)}
    if Kind.FIELD in kinds and len(kinds) > 1:
        kinds -= {Kind.FIELD}
        if kinds & {Kind.NULL, Kind.TRUTH}:
            return Kind.FIELD
    if kinds in ({Kind.NULL, Kind.TEXT}, {Kind.NULL, Kind.NUMBER}):
        return Kind.FIELD
    if len(kinds) > 1:
        raise ExpressionError("both answers must be of one kind", node.at)
    return kinds.pop()


def _parts(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911  a case for each node
    match node:
        case Sum():
            return (node.first, *(part for _, part in node.rest))
        case Product():
            return node.factors
        case Negative() | Not():
            return (node.inner,)
        case Call():
            return node.arguments
        case Quotient():
            return (node.dividend, node.divisor)
        case Logic():
            return node.parts
        case Comparison():
            return (node.left, node.right)
        case Choice():
            return (node.condition, node.yes, node.no)
        case _:
            return ()


def _size(node: Node) -> Size:
    if isinstance(node, Choice):
        check_size(node.condition)
        sizes = [_size(node.yes), _size(node.no)]
    else:
        sizes = [_size(part) for part in _parts(node)]
    widest = Size(max((s.whole for s in sizes), default=_WHOLE), max((s.places for s in sizes), default=MAX_PLACES))
    match node:
        case Product():
            found = Size(sum(s.whole for s in sizes), sum(s.places for s in sizes))
        case Sum():
            found = Size(widest.whole + len(str(len(sizes))), widest.places)
        case Quotient():
            # A divisor that is not zero is at least one in its last place.
            found = Size(sizes[0].whole + sizes[1].places + 1, node.places)
        case Call(name="ceil" | "floor"):
            found = Size(widest.whole + 1, 0)
        case _:
            found = widest
    if max(found) > _MAX_DIGITS:
        raise ExpressionError(f"this number can become longer than {_MAX_DIGITS} digits", node.at)
    return found
