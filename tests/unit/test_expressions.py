"""Expressions: what they give, what is no value, and what is refused where."""

from decimal import Decimal
from typing import Any

import pytest

from usage_billing.expressions import expression
from usage_billing.expressions.errors import ExpressionError

CALL = {
    "model": "gpt",
    "input_tokens": 120,
    "cached_tokens": 20,
    "output_tokens": "35",
    "status": "ok",
    "streaming": True,
    "cost": Decimal("0.1"),
    "nothing": None,
    "list": [1],
    "usage": {"input": 7, "by": {"hour": 3}},
    "gen_ai.usage.input_tokens": 11,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("input_tokens - cached_tokens + 4 * output_tokens", "240"),
        ("cost * 3", "0.3"),
        ("0.1 + 0.2", "0.3"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 3 - 2", "5"),
        ("-2 * -3", "6"),
        ("- -2", "2"),
        ("usage.input + usage.by.hour", "10"),
        ("`gen_ai.usage.input_tokens`", "11"),
        ("min(input_tokens, 100, 200)", "100"),
        ("max(input_tokens, 100)", "120"),
        ("abs(cached_tokens - 25)", "5"),
        ("ceil(0.1)", "1"),
        ("floor(-0.1)", "-1"),
        ("div(1, 3, 12)", "0.333333333333"),
        ("div(2, 3, 0)", "1"),
        ("div(1, 2, 0)", "1"),
        ("div(-1, 2, 0)", "-1"),
        ("div(5, 1000, 2)", "0.01"),
        ("streaming == true ? 2 : 1", "2"),
        ('model == "gpt" && has(cost) ? 1 : 0', "1"),
        ("model == 'gpt' ? 1 : missing", "1"),
        ("has(nothing) ? 1 : 0", "1"),
        ("has(missing) ? missing : 5", "5"),
        ("1e3", "1000"),
        ("div(1, 2, 1)", "0.5"),
    ],
)
def test_a_number_comes_to(text: str, value: str) -> None:
    assert expression.number(text).number(CALL) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "missing",
        "model",
        "nothing",
        "list",
        "streaming",
        "usage",
        "usage.missing",
        "model.inner",
        "input_tokens + missing",
        "min(input_tokens, missing)",
        "div(1, cached_tokens - 20, 2)",
        "missing == 1 ? 1 : 2",
        "1000000000000000 + 1",
    ],
)
def test_no_value(text: str) -> None:
    assert expression.number(text).number(CALL) is None


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", " 1", "1 ", "+1", "01", ".5", "1.", "", "0x1", "\u0661", True, None, [], {}]
)
def test_what_a_sender_may_not_call_a_number_is_none(value: Any) -> None:
    assert expression.number("x").number({"x": value}) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.50", "1.5"),
        ("-3", "-3"),
        ("1e3", "1000"),
        (Decimal("1.0350000000000001e-05"), "0.000010350000"),
        (Decimal("0.0000000000005"), "0.000000000001"),
        (Decimal("-0.0000000000005"), "-0.000000000001"),
        (10**15, "1000000000000000"),
    ],
)
def test_a_number_is_rounded_to_12_places_where_it_is_used(value: Any, number: str) -> None:
    assert expression.number("x").number({"x": value}) == Decimal(number)


@pytest.mark.parametrize("value", [10**15 + 1, Decimal("1000000000000000.00000000000000000001"), 10**40, "1e999"])
def test_beyond_the_largest_quantity_there_is_no_value(value: Any) -> None:
    assert expression.number("x").number({"x": value}) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('status == "ok"', True),
        ('status != "ok"', False),
        ('missing == "ok"', None),
        ('missing == "ok" || input_tokens > 1', True),
        ('missing == "ok" && input_tokens > 1', None),
        ('missing == "ok" && input_tokens < 1', False),
        ('!(missing == "ok")', None),
        ("output_tokens == 35", True),
        ("output_tokens > input_tokens", False),
        ('model < "gpu"', True),
        ("nothing == null", True),
        ("model == null", False),
        ("streaming != false", True),
        ("streaming == cost", False),
        ('input_tokens == "120"', None),
        ("model == 1", None),
        ("list == list", None),
        ("has(list) && !has(missing)", True),
    ],
)
def test_a_condition(text: str, found: bool | None) -> None:
    assert expression.condition(text).evaluate(CALL) is found


REFUSED = [
    ("", 1, "too early"),
    ("1 +", 4, "too early"),
    ("1 2", 3, "not expected"),
    ("(1", 3, "')' is missing"),
    ("a / b", 3, "div(a, b, places)"),
    ("a % b", 3, "div(a, b, places)"),
    ("a[0]", 2, "backquotes"),
    ("a ^ b", 3, "no meaning"),
    ("1 + 'x", 5, "not closed"),
    ("size(a)", 1, "no function size"),
    ("now()", 1, "no function now"),
    ("min(1)", 1, "two or more"),
    ("abs(1, 2)", 1, "one value"),
    ("div(1, 2)", 1, "to how many places"),
    ("div(1, 2, 13)", 11, "from 0 to 12"),
    ("div(1, 2, a)", 11, "from 0 to 12"),
    ("has(1)", 5, "asks for a field"),
    ("1u", 1, "decimal digits"),
    ("0x1f", 1, "decimal digits"),
    ("1e1000", 1, "exponent"),
    ("1000000000000001", 1, "at most 1000000000000000"),
    ("0." + "0" * 100 + "1", 1, "100 decimal places"),
    ("'\\q' == a", 2, "escape"),
    ("'\\u0000' == a", 1, "NUL"),
    ("'\\ud800' == a", 1, "surrogates"),
    ("a.", 3, "name is missing"),
    ("a < b < c", 7, "at a time"),
    ("1 + 'x'", 5, "a number is wanted here"),
    ("a + (b == c)", 8, "a number is wanted here"),
    ("1 == 'x'", 3, "cannot be compared"),
    ("true < false", 6, "neither more nor less"),
    ("a ? 1 : 2", 1, "a field alone is no condition"),
    ("(!a) ? 1 : 2", 3, "a field alone is no condition"),
    ("true ? 1 : 'x'", 6, "of one kind"),
    ("(" * 31 + "1" + ")" * 31, 31, "30 deep"),
    ("-" * 40 + "1", 30, "30 deep"),
    ("a + " * 250 + "a", 1001, "1000 characters"),
    (" * ".join("a" * 11), 3, "longer than 1000 digits"),
]


@pytest.mark.parametrize(("text", "position", "why"), REFUSED, ids=[text[:20] for text, _, _ in REFUSED])
def test_refused_with_its_place(text: str, position: int, why: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        expression.number(text)
    assert why in str(refused.value)
    assert refused.value.position == position
    assert str(refused.value).endswith(f", at character {position}")


@pytest.mark.parametrize("text", ["streaming", "1", "'x'", "input_tokens + 1", "null"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(ExpressionError, match="condition"):
        expression.condition(text)


def test_a_long_chain_is_not_deep() -> None:
    text = " + ".join(["a"] * 250)
    assert len(text) <= 1000
    assert expression.number(text).number({"a": Decimal("0.1")}) == 25
