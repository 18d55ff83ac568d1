"""Expressions as a meter has them: a value, a condition, a dimension."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from usage_billing.core.decimals import MAX_QUANTITY, PLACES, round_half_up
from usage_billing.expressions.check import Kind, check_size, demand, kind_of
from usage_billing.expressions.parse import parse
from usage_billing.expressions.python import Evaluate, Metadata, compile_python
from usage_billing.expressions.sql import SqlCompiler
from usage_billing.expressions.tree import Node


@dataclass(frozen=True)
class Expression:
    """A checked expression. ``want``: what it gives; None is any value, a list or an object included."""

    node: Node
    want: Kind | None

    @cached_property
    def evaluate(self) -> Evaluate:
        """The function from metadata to the value; None is no value."""
        return compile_python(self.node, self.want)

    def sql(self, compiler: SqlCompiler) -> str:
        """The SQL text that gives, in PostgreSQL, what ``evaluate`` gives in Python."""
        return compiler.compile(self.node, self.want)

    def number(self, metadata: Metadata) -> Decimal | None:
        """What it comes to as the value of a meter: rounded to 12 places; None if it is none, or beyond 10**15."""
        value: Decimal | None = self.evaluate(metadata)
        return None if value is None or value.copy_abs() > MAX_QUANTITY else round_half_up(value, PLACES)


def number_in_sql(name: str) -> str:
    """What ``Expression.number`` makes of the value, in SQL: of the column ``name``, a numeric."""
    return f"CASE WHEN abs({name}) <= {MAX_QUANTITY:f} THEN round({name}, {PLACES}) END"


def number(text: str) -> Expression:
    """The expression of a number. Raises ExpressionError."""
    return _checked(text, Kind.NUMBER)


def condition(text: str) -> Expression:
    """The expression of a condition; a field alone is none. Raises ExpressionError."""
    return _checked(text, Kind.TRUTH)


def scalar(text: str) -> Expression:
    """The expression of a number, a text, a boolean or null: lists and objects are no value. Raises ExpressionError."""
    return _checked(text, Kind.FIELD)


def anything(text: str) -> Expression:
    """The expression of any value. Raises ExpressionError."""
    return _checked(text, None)


def _checked(text: str, want: Kind | None) -> Expression:
    node = parse(text)
    if want in {Kind.NUMBER, Kind.TRUTH}:
        demand(node, want)
    else:
        kind_of(node)
    check_size(node)
    return Expression(node, want)
