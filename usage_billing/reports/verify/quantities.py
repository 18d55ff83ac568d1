"""Quantities that usage types make from metadata, made again: by SQL, where the drain makes them by Python."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.expressions import expression
from usage_billing.expressions.expression import number_in_sql
from usage_billing.expressions.sql import SqlCompiler
from usage_billing.reports.verify.difference import Difference

_DEFINITIONS = text("""
    SELECT d.usage_type_id, d.version, d.value, d.effective_from, d.made_at
    FROM quantity_definitions AS d
    WHERE d.usage_type_id IN (SELECT usage_type_id FROM usage_summaries WHERE id = ANY(CAST(:ids AS bigint[])))
    ORDER BY d.usage_type_id, d.version DESC
""")
# A recording is made by the latest definition that was there when it was recorded, and that holds for when it occurred.
_DIFFERING = """
    SELECT summary_id, count(*) AS recordings, min(CAST(id AS text)) AS one
    FROM (
        SELECT u.summary_id, u.id, u.quantity, u.made, {by} AS by, CASE {by} {values} END AS raw
        FROM usage AS u
        JOIN usage_summaries AS s ON s.id = u.summary_id
        WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) AND s.usage_type_id = :usage_type
        OFFSET 0
    ) AS made_again
    WHERE (by IS NOT NULL) <> (made IS TRUE) OR (by IS NOT NULL AND quantity IS DISTINCT FROM {rounded})
    GROUP BY summary_id
"""


def quantity_differences(session: Session, ids: Sequence[int]) -> Iterator[Difference]:
    """The summaries, among these, with recordings whose quantity is not what their usage type makes."""
    asked: dict[str, Any] = {"ids": list(ids)}
    definitions: dict[str, list[Any]] = {}
    for row in session.execute(_DEFINITIONS, asked):
        definitions.setdefault(row.usage_type_id, []).append(row)
    found = list[Any]()
    for usage_type, versions in definitions.items():
        statement, parameters = _statement(versions)
        found += session.execute(text(statement), {**asked, **parameters, "usage_type": usage_type})
    for row in found:
        message = f"{row.recordings} recordings, {row.one} among them, do not have the quantity that is made of them"
        yield Difference("usage_quantity", f"summary:{row.summary_id}", message)


def _statement(versions: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    compiler, parameters = SqlCompiler("u.metadata"), dict[str, Any]()
    whens, values = list[str](), list[str]()
    for row in versions:
        number = row.version
        parameters |= {f"from{number}": row.effective_from, f"made{number}": row.made_at}
        holds = f"u.occurred_at >= :from{number} AND u.recorded_at >= :made{number}"
        whens.append(f"WHEN {holds} THEN {'NULL' if row.value is None else number}")
        if row.value is not None:
            values.append(f"WHEN {number} THEN {expression.number(row.value).sql(compiler)}")
    by = f"CASE {' '.join(whens)} END"
    statement = _DIFFERING.format(by=by, values=" ".join(values) or "WHEN 0 THEN 0", rounded=number_in_sql("raw"))
    return statement, {**parameters, **compiler.parameters}
