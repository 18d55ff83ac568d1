"""Compiles a checked tree to an SQL expression over a column of metadata (``jsonb``). NULL is no value.

No part of a tree is written twice, so the SQL grows as the expression does; only fields are short enough to repeat.
Names and texts travel as parameters. Every function is one of PostgreSQL's own.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import assert_never

from usage_billing.core.decimals import MAX_QUANTITY, plain
from usage_billing.expressions.check import MAX_PLACES, Kind, compared_as
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
from usage_billing.expressions.values import NUMERAL

_MOST = f"{MAX_QUANTITY:f}"
# PostgreSQL's LEAST and GREATEST pass over NULL; these, which its aggregates are made of, do not.
_EXTREMES = {"min": "numeric_smaller", "max": "numeric_larger"}
_TYPES: Mapping[Kind | None, str] = {Kind.NUMBER: "numeric", Kind.TEXT: "text", Kind.TRUTH: "boolean"}


class SqlCompiler:
    """Compiles expressions over ``column``; what they need to be given is in ``parameters``, by name.

    ``prefix`` begins the names of parameters. One compiler may compile several expressions of one statement.
    """

    def __init__(self, column: str, *, prefix: str = "e") -> None:
        self.parameters: dict[str, str | list[str]] = {}
        self._column = column
        self._prefix = prefix
        self._named: dict[str | tuple[str, ...], str] = {}

    def compile(self, node: Node, want: Kind | None) -> str:  # noqa: PLR0911  a case for each node
        """The SQL of ``node``: numeric, text (collation C) or boolean by its kind; jsonb for Kind.FIELD and None."""
        as_json = want in {Kind.FIELD, Kind.NULL, None}
        match node:
            case Number():
                number = f"CAST({plain(node.value)} AS numeric)"
                return f"to_jsonb({number})" if as_json else number
            case Text():
                text = f'(CAST({self._parameter(node.value)} AS text) COLLATE "C")'
                return f"to_jsonb({text})" if as_json else text
            case Truth():
                return f"to_jsonb({node.value})" if as_json else str(node.value).lower()
            case Null():
                return "CAST('null' AS jsonb)" if as_json else f"CAST(NULL AS {_TYPES[want]})"
            case Field():
                return self._read(self._field(node), want)
            case Has():
                return self._truth(f"({self._field(node.field)} IS NOT NULL)", as_json)
            case Choice():
                condition = self.compile(node.condition, Kind.TRUTH)
                yes, no = self.compile(node.yes, want), self.compile(node.no, want)
                return f"(CASE {condition} WHEN true THEN {yes} WHEN false THEN {no} END)"
            case Sum() | Product() | Negative() | Call() | Quotient():
                number = self._number(node)
                return f"to_jsonb(trim_scale({number}))" if as_json else number
            case Not() | Logic() | Comparison():
                return self._truth(self._condition(node), as_json)
            case _:
                assert_never(node)

    @staticmethod
    def _truth(condition: str, as_json: bool) -> str:
        return f"to_jsonb({condition})" if as_json else condition

    def _number(self, node: Sum | Product | Negative | Call | Quotient) -> str:
        match node:
            case Sum():
                rest = "".join(f" {sign} {self.compile(part, Kind.NUMBER)}" for sign, part in node.rest)
                return f"({self.compile(node.first, Kind.NUMBER)}{rest})"
            case Product():
                return "(" + " * ".join(self.compile(part, Kind.NUMBER) for part in node.factors) + ")"
            case Negative():
                return f"(- {self.compile(node.inner, Kind.NUMBER)})"
            case Quotient():
                # As in python.py: in whole halves, so that nothing is rounded twice.
                halves = f"{self.compile(node.dividend, Kind.NUMBER)} * {2 * 10**node.places}"
                divisor = f"nullif({self.compile(node.divisor, Kind.NUMBER)}, 0)"
                return f"(round(div({halves}, {divisor}) * 0.5) * {plain(Decimal(1).scaleb(-node.places))})"
            case Call(name="min" | "max"):
                parts = [self.compile(part, Kind.NUMBER) for part in node.arguments]
                return reduce(lambda one, other: f"{_EXTREMES[node.name]}({one}, {other})", parts)
            case _:
                return f"{node.name}({self.compile(node.arguments[0], Kind.NUMBER)})"

    def _condition(self, node: Not | Logic | Comparison) -> str:
        match node:
            case Not():
                return f"(NOT {self.compile(node.inner, Kind.TRUTH)})"
            case Logic():
                word = " AND " if node.operator == "&&" else " OR "
                return "(" + word.join(self.compile(part, Kind.TRUTH) for part in node.parts) + ")"
            case _:
                kind, operator = compared_as(node), {"==": "=", "!=": "<>"}.get(node.operator, node.operator)
                return f"({self.compile(node.left, kind)} {operator} {self.compile(node.right, kind)})"

    def _field(self, node: Field) -> str:
        if len(node.path) == 1:
            return f"({self._column} -> CAST({self._parameter(node.path[0])} AS text))"
        return f"({self._column} #> CAST({self._parameter(node.path)} AS text[]))"

    def _read(self, field: str, want: Kind | None) -> str:
        kind, text = f"jsonb_typeof({field})", f"({field} #>> '{{}}')"
        match want:
            case Kind.NUMBER:
                number, spelled = f"CAST({field} AS numeric)", f"CAST({text} AS numeric)"
                return (
                    f"(CASE {kind} WHEN 'number' THEN CASE WHEN {_fits(number)} THEN {number} END"
                    f" WHEN 'string' THEN CASE WHEN {text} ~ '^({NUMERAL})$' THEN"
                    f" CASE WHEN {_fits(spelled)} THEN {spelled} END END END)"
                )
            case Kind.TEXT:
                return f"(CASE {kind} WHEN 'string' THEN {text} COLLATE \"C\" END)"
            case Kind.TRUTH:
                return f"(CASE {kind} WHEN 'boolean' THEN CAST({field} AS boolean) END)"
            case None:
                return field
            case _:
                return f"(CASE WHEN {kind} NOT IN ('array', 'object') THEN {field} END)"

    def _parameter(self, value: str | tuple[str, ...]) -> str:
        if value not in self._named:
            self._named[value] = f"{self._prefix}{len(self._named)}"
            self.parameters[self._named[value]] = value if isinstance(value, str) else list(value)
        return f":{self._named[value]}"


class ReadOnce(SqlCompiler):
    """Takes each field out of ``column`` once, however often expressions name it, and makes a number of it once.

    What it compiles stands over the rows of ``beside``.
    """

    def __init__(self, column: str, *, prefix: str = "e") -> None:
        super().__init__(column, prefix=prefix)
        self._fields: dict[str, str] = {}
        self._numbers: dict[str, str] = {}

    def beside(self, rows: str) -> str:
        """``rows``, a name or a subquery in parentheses, with all fields that were compiled so far beside each row."""
        for taken in (self._fields, self._numbers):
            if taken:
                columns = "".join(f", {found} AS {name}" for found, name in taken.items())
                # Without OFFSET 0, PostgreSQL would put each column back in every place where it is named.
                rows = f"(SELECT rows.*{columns} FROM {rows} AS rows OFFSET 0)"  # noqa: S608  made of names of our own
        return rows

    def _field(self, node: Field) -> str:
        return self._fields.setdefault(super()._field(node), f"field{len(self._fields)}")

    def _read(self, field: str, want: Kind | None) -> str:
        if want != Kind.NUMBER:
            return super()._read(field, want)
        text = f"({field} #>> '{{}}')"
        spelled = (
            f"CASE jsonb_typeof({field}) WHEN 'number' THEN CAST({field} AS numeric)"
            f" WHEN 'string' THEN CASE WHEN {text} ~ '^({NUMERAL})$' THEN CAST({text} AS numeric) END END"
        )
        number = self._numbers.setdefault(spelled, f"number{len(self._numbers)}")
        return f"(CASE WHEN {_fits(number)} THEN {number} END)"


def _fits(number: str) -> str:
    return f"{number} BETWEEN -{_MOST} AND {_MOST} AND min_scale({number}) <= {MAX_PLACES}"
