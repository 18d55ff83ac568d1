"""Reads the text of an expression as a tree. Operators bind as in CEL.

Source: the grammar of the Common Expression Language, github.com/google/cel-spec, doc/langdef.md.
"""

from collections.abc import Callable
from decimal import Decimal

from usage_billing.expressions.errors import ExpressionError
from usage_billing.expressions.tokens import Token, tokens_of
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

MAX_CHARACTERS = 1000
MAX_DEPTH = 30
MAX_DIVISION_PLACES = 12

_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_OF_NUMBERS = {"min": 2, "max": 2, "abs": 1, "ceil": 1, "floor": 1}  # with the fewest arguments of each
_MANY = ("min", "max")
_MAX_EXPONENT = 3  # digits


def parse(text: str) -> Node:
    """The tree of ``text``; raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"an expression has at most {MAX_CHARACTERS} characters", MAX_CHARACTERS + 1)
    reader = _Reader(list(tokens_of(text)))
    node = reader.choice()
    if reader.next.kind != "end":
        raise ExpressionError(f"{reader.next.text!r} is not expected here", reader.next.at)
    return node


class _Reader:
    """Reads tokens one by one; each method reads what binds as closely as its name says."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._place]

    def choice(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"an expression is nested at most {MAX_DEPTH} deep", self.next.at)
        node = self._joined("||", lambda: self._joined("&&", self._comparison))
        if question := self._take("?"):
            yes = self.choice()
            self._expect(":")
            node = Choice(question.at, node, yes, self.choice())
        self._depth -= 1
        return node

    def _joined(self, operator: str, inner: Callable[[], Node]) -> Node:
        parts, at = [inner()], self.next.at
        while self._take(operator):
            parts.append(inner())
        return parts[0] if len(parts) == 1 else Logic(at, operator, tuple(parts))

    def _comparison(self) -> Node:
        left = self._sum()
        operator = self._take(*_COMPARISONS)
        if operator is None:
            return left
        node = Comparison(operator.at, operator.text, left, self._sum())
        if another := self._take(*_COMPARISONS):
            raise ExpressionError("two values are compared at a time: join comparisons by &&", another.at)
        return node

    def _sum(self) -> Node:
        first, rest, at = self._product(), list[tuple[str, Node]](), self.next.at
        while sign := self._take("+", "-"):
            rest.append((sign.text, self._product()))
        return Sum(at, first, tuple(rest)) if rest else first

    def _product(self) -> Node:
        factors, at = [self._signed()], self.next.at
        while self._take("*"):
            factors.append(self._signed())
        return factors[0] if len(factors) == 1 else Product(at, tuple(factors))

    def _signed(self) -> Node:
        if sign := self._take("-", "!"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ExpressionError(f"an expression is nested at most {MAX_DEPTH} deep", sign.at)
            inner = self._signed()
            self._depth -= 1
            return Negative(sign.at, inner) if sign.text == "-" else Not(sign.at, inner)
        return self._primary()

    def _primary(self) -> Node:  # noqa: PLR0911  a case for each beginning
        token = self._advance()
        if token.kind == "number":
            return _number(token)
        if token.kind == "text":
            return Text(token.at, token.text)
        if token.kind == "sign" and token.text == "(":
            node = self.choice()
            self._expect(")")
            return node
        if token.kind == "name" and token.text in {"true", "false"}:
            return Truth(token.at, token.text == "true")
        if token.kind == "name" and token.text == "null":
            return Null(token.at)
        if token.kind == "name" and self._take("("):
            return self._call(token)
        if token.kind in {"name", "quoted"}:
            return self._field(token)
        raise ExpressionError(
            "the expression ends too early" if token.kind == "end" else "a value is missing", token.at
        )

    def _field(self, first: Token) -> Field:
        path = [first.text]
        while self._take("."):
            token = self._advance()
            if token.kind not in {"name", "quoted"}:
                raise ExpressionError("a field's name is missing after the point", token.at)
            path.append(token.text)
        if len(path) > MAX_DEPTH:
            raise ExpressionError(f"a field lies at most {MAX_DEPTH} deep", first.at)
        return Field(first.at, tuple(path))

    def _call(self, name: Token) -> Node:
        if name.text == "has":
            token = self._advance()
            if token.kind not in {"name", "quoted"}:
                raise ExpressionError("has() asks for a field", token.at)
            field = self._field(token)
            self._expect(")")
            return Has(name.at, field)
        if name.text not in {*_OF_NUMBERS, "div"}:
            known = ", ".join(sorted({*_OF_NUMBERS, "div", "has"}))
            raise ExpressionError(f"there is no function {name.text}; there are {known}", name.at)
        arguments = [self.choice()]
        while self._take(","):
            arguments.append(self.choice())
        self._expect(")")
        if name.text == "div":
            return _quotient(name, arguments)
        least = _OF_NUMBERS[name.text]
        if len(arguments) < least or (name.text not in _MANY and len(arguments) > least):
            many = "two or more values" if name.text in _MANY else "one value"
            raise ExpressionError(f"{name.text}() takes {many}", name.at)
        return Call(name.at, name.text, tuple(arguments))

    def _take(self, *signs: str) -> Token | None:
        token = self.next
        if token.kind != "sign" or token.text not in signs:
            return None
        self._place += 1
        return token

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ExpressionError(f"{sign!r} is missing", self.next.at)

    def _advance(self) -> Token:
        token = self.next
        if token.kind != "end":
            self._place += 1
        return token


def _number(token: Token) -> Number:
    _, _, exponent = token.text.lower().partition("e")
    if len(exponent.lstrip("+-")) > _MAX_EXPONENT:
        raise ExpressionError(f"an exponent has at most {_MAX_EXPONENT} digits", token.at)
    return Number(token.at, Decimal(token.text))


def _quotient(name: Token, arguments: list[Node]) -> Quotient:
    three = 3
    if len(arguments) != three:
        raise ExpressionError("div() takes what is divided, by what, and to how many places", name.at)
    dividend, divisor, places = arguments
    if not isinstance(places, Number) or places.value not in range(MAX_DIVISION_PLACES + 1):
        raise ExpressionError(f"the places of div() are a number from 0 to {MAX_DIVISION_PLACES}", places.at)
    return Quotient(name.at, dividend, divisor, int(places.value))
