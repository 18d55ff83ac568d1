"""Random expressions, and metadata that they meet: right, odd and wrong."""

import json
from random import Random
from typing import Any

NAMES = ("a", "b", "c", "model", "status", "deep.a", "deep.b", "`odd name`", "`a.b`", "missing")
_NUMBERS = ("0", "1", "2", "0.1", "3", "0.3", "1000000", "1e3", "1.5e-7", "0.000000000000000001", "1000000000000000")
_TEXTS = ('"ok"', "'gpt'", '""', '"1"', '"é"', '"\\u00e9\\n"', '"Z"', '"a"', '"z"')
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    -0.5,
    "1",
    "1.0",
    "01",
    " 1",
    "1 ",
    "1\n",
    "+1",
    ".5",
    "1.",
    "1e3",
    "-1E-2",
    "1e999",
    "1e-999",
    "0e-999",
    "NaN",
    "Infinity",
    "-Infinity",
    "\u0661",
    "ok",
    "gpt",
    "",
    "é",
    "Z",
    "a",
    "true",
    "null",
    "x'y\\z:w",
    [],
    [1],
    {},
    {"a": 2, "b": "3"},
    10**15,
    10**15 + 1,
    10**30,
    "1000000000000000.0000000000000000000000000001",
)
_RAW = ("0.1", "0.30000000000000004", "1.0350000000000001e-05", "1e-100", "1.5e-100", "123456789.123456789012345678901")


def random_expression(random: Random, kind: str = "number", depth: int = 4) -> str:
    """An expression of that kind: number, truth, or scalar."""
    if kind == "scalar":
        kind = random.choice(("number", "text", "truth", "field"))
    if kind == "truth":
        return _truth(random, depth)
    if kind == "text":
        return random.choice((*_TEXTS, f"({_truth(random, 1)} ? {random.choice(_TEXTS)} : {random.choice(NAMES)})"))
    if kind == "field":
        name = random.choice(NAMES)
        return random.choice((name, f"({_truth(random, 1)} ? {name} : null)", f"({_truth(random, 1)} ? 1 : {name})"))
    return _number(random, depth)


def _number(random: Random, depth: int) -> str:  # noqa: PLR0911  a case for each form
    if depth <= 0 or random.random() < 0.15:
        return random.choice((*_NUMBERS, *NAMES, *NAMES))

    def inner() -> str:
        return _number(random, depth - 1)

    form = random.randrange(9)
    if form < 3:
        return f"({inner()} {random.choice('+-')} {inner()} {random.choice('+-*')} {inner()})"
    if form == 3:
        return f"-{inner()}"
    if form == 4:
        return f"{random.choice(('min', 'max'))}({inner()}, {inner()}, {inner()})"
    if form == 5:
        return f"{random.choice(('abs', 'ceil', 'floor'))}({inner()})"
    if form == 6:
        return f"div({inner()}, {inner()}, {random.randrange(13)})"
    if form == 7:
        return f"{inner()} * {inner()}"
    return f"({_truth(random, depth - 1)} ? {inner()} : {random.choice((inner(), inner(), 'null'))})"


def _truth(random: Random, depth: int) -> str:
    form = random.randrange(8) if depth > 0 else random.randrange(6)
    if form == 0:
        return random.choice(("true", "false", f"has({random.choice(NAMES)})"))
    if form == 1:
        return (
            f"{random.choice(NAMES)} {random.choice(('==', '!='))} {random.choice((*NAMES, 'null', 'true', 'false'))}"
        )
    if form == 2:
        return f"{random.choice(NAMES)} {random.choice(('==', '!=', '<', '<=', '>', '>='))} {random.choice(_TEXTS)}"
    if form <= 5:
        left, right = _number(random, depth - 2), _number(random, depth - 2)
        return f"{left} {random.choice(('==', '!=', '<', '<=', '>', '>='))} {right}"
    if form == 6:
        return f"!({_truth(random, depth - 1)})"
    join = random.choice((" && ", " || "))
    return "(" + join.join(_truth(random, depth - 1) for _ in range(random.randrange(2, 4))) + ")"


def random_metadata(random: Random) -> str:
    """The JSON of an object; its numbers are spelled as senders spell them."""

    def value() -> str:
        if random.random() < 0.2:
            return random.choice(_RAW)
        if random.random() < 0.4:
            return str(random.randrange(-20, 1000))
        return json.dumps(random.choice(_ODD))

    names = [name for name in ("a", "b", "c", "model", "status", "odd name", "a.b") if random.random() < 0.8]
    fields = [f"{json.dumps(name)}:{value()}" for name in names]
    if random.random() < 0.7:
        fields.append(f'"deep":{{"a":{value()},"b":{value()}}}')
    return "{" + ",".join(fields) + "}"
