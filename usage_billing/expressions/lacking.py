"""Finds the field for want of which an expression has no value."""

from typing import assert_never

from usage_billing.expressions.check import Kind, compared_as
from usage_billing.expressions.python import Metadata, compile_python
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


def lacking(node: Node, want: Kind | None, metadata: Metadata) -> Field | None:
    """The first field that is missing, or is not what its place wants, where that leaves ``node`` without a value.

    None where it has a value, and where no field is to blame, as in a division by zero.
    """
    if compile_python(node, want)(metadata) is not None:
        return None
    if isinstance(node, Field):
        return node
    for part, wanted in _parts(node, want, metadata):
        found = lacking(part, wanted, metadata)
        if found is not None:
            return found
    return None


def _parts(node: Node, want: Kind | None, metadata: Metadata) -> list[tuple[Node, Kind | None]]:  # noqa: PLR0911
    """What the value of ``node`` is made of, each with what its place wants."""
    match node:
        case Number() | Text() | Truth() | Null() | Field() | Has():
            return []
        case Sum():
            return [(part, Kind.NUMBER) for part in (node.first, *(part for _, part in node.rest))]
        case Product():
            return [(part, Kind.NUMBER) for part in node.factors]
        case Negative():
            return [(node.inner, Kind.NUMBER)]
        case Quotient():
            return [(node.dividend, Kind.NUMBER), (node.divisor, Kind.NUMBER)]
        case Call():
            return [(part, Kind.NUMBER) for part in node.arguments]
        case Not():
            return [(node.inner, Kind.TRUTH)]
        case Logic():
            return [(part, Kind.TRUTH) for part in node.parts]
        case Comparison():
            kind = compared_as(node)
            return [(node.left, kind), (node.right, kind)]
        case Choice():
            decided = compile_python(node.condition, Kind.TRUTH)(metadata)
            taken = [] if decided is None else [(node.yes if decided else node.no, want)]
            return [(node.condition, Kind.TRUTH), *taken]
        case _:
            assert_never(node)
