"""An expression gives the same in PostgreSQL and in Python, on every metadata: right, odd and wrong.

``EXPRESSIONS=5000 pytest tests/integration/test_expressions_in_sql.py`` tries as many, on twenty metadata each.
"""

import json
import os
from decimal import Decimal
from random import Random
from types import NoneType
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.support.expressions import random_expression, random_metadata
from usage_billing.expressions import expression
from usage_billing.expressions.check import Kind
from usage_billing.expressions.errors import ExpressionError
from usage_billing.expressions.expression import Expression, number_in_sql
from usage_billing.expressions.sql import ReadOnce, SqlCompiler
from usage_billing.expressions.values import NULL
from usage_billing.metering.metadata import NotMetadata, canonical_metadata

_METADATA = 20
_KINDS = {"number": expression.number, "truth": expression.condition, "scalar": expression.scalar}


def test_both_give_the_same(session: Session) -> None:
    random, tried, values = Random(os.environ.get("SEED", "19")), 0, 0
    refused: list[str] = []
    for _ in range(int(os.environ.get("EXPRESSIONS", "100"))):
        kind = random.choice(list(_KINDS))
        spelled = random_expression(random, kind)
        try:
            compiled = _KINDS[kind](spelled)
        except ExpressionError as error:
            refused.append(str(error))
            continue
        metadata = [_canonical(random) for _ in range(_METADATA)]
        by_sql, read_once = (_by_sql(session, compiled, metadata, compiler) for compiler in (SqlCompiler, ReadOnce))
        for one, found, once in zip(metadata, by_sql, read_once, strict=True):
            expected = _by_python(compiled, one)
            assert found == once == expected, (spelled, one)
            tried += 1
            values += expected is not None
    # The generator keeps to the language: only what can become too long is refused.
    assert [why for why in refused if "longer" not in why and "characters" not in why] == []
    assert tried > 0
    assert values > tried // 5  # most are not just no value twice


def test_the_value_of_a_meter_is_rounded_and_bounded_alike(session: Session) -> None:
    compiled = expression.number("a * b")
    for a, b in (("0.0000005", "0.000001"), ("-0.0000005", "0.000001"), ("1e15", "1"), ("1e15", "1.0000000001")):
        metadata = json.dumps({"a": a, "b": b})
        compiler = SqlCompiler("m")
        inner = f"SELECT {compiled.sql(compiler)} AS x FROM (SELECT CAST(:m AS jsonb) AS m) AS given"
        statement = f"SELECT {number_in_sql('x')} FROM ({inner}) AS found"
        found = session.scalar(text(statement), {"m": metadata, **compiler.parameters})
        assert found == compiled.number(json.loads(metadata))


def _canonical(random: Random) -> str:
    while True:
        try:
            return canonical_metadata(random_metadata(random).encode())
        except NotMetadata:
            continue


def _by_sql(session: Session, compiled: Expression, metadata: list[str], new_compiler: type[SqlCompiler]) -> list[Any]:
    compiler = new_compiler("value")
    found, rows_of = compiled.sql(compiler), "given"
    if isinstance(compiler, ReadOnce):
        rows_of = compiler.beside(rows_of)
    as_json = f"CAST({found} AS text)" if compiled.want == Kind.FIELD else f"CAST(to_jsonb({found}) AS text)"
    statement = text(
        "WITH given AS ("
        " SELECT * FROM jsonb_array_elements(CAST(:metadata AS jsonb)) WITH ORDINALITY AS m (value, place)"
        f") SELECT {as_json} AS found FROM {rows_of} AS m ORDER BY place"
    )
    rows = session.execute(statement, {"metadata": f"[{','.join(metadata)}]", **compiler.parameters})
    return [None if row.found is None else _typed(_read(row.found)) for row in rows]


def _by_python(compiled: Expression, metadata: str) -> Any:
    value = compiled.evaluate(_read(metadata))
    return None if value is None else _typed(None if value is NULL else value)


def _read(spelled: str) -> Any:
    return json.loads(spelled, parse_float=Decimal)


def _typed(value: Any) -> Any:
    """The value beside its type, because Python's True equals its 1."""
    if isinstance(value, bool | str | NoneType):
        return (type(value), value)
    return (Decimal, Decimal(value))
