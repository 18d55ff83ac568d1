"""An earlier layout seen as the present one, so that what reads the books can read them before they are migrated.

Temporary views of one transaction stand before the tables that migrations change, and are gone with it. A column that
is still missing has what its migration would fill it with: _FILLED says so, the rest is a default or nothing.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import DefaultClause

import usage_billing.all_models as models
from usage_billing.db.rows import read_rows

DRAFTS = "0003"
"""The migration that brings invoices, and so the earliest layout that is seen so."""
TERMS = "0026"
"""The migration that brings the rules of periods that are cut."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class _Filling(NamedTuple):
    """Where the columns of a table ``t`` come from that are missing, or that a migration fills anew."""

    columns: dict[str, str]
    joined: str = ""


# In this order: each is told by the views before it. As 0016, 0026 and 0029 fill them in.
_FILLED = {
    "invoices": _Filling({"closes_at": "t.period_end"}),
    "usage_quotas": _Filling(
        {
            "effective": "h.effective",
            "asked_at": "CASE WHEN h.own THEN greatest(t.effective_from, h.since) END",
            "effective_from": """
                CASE WHEN h.own AND t.immediate THEN greatest(t.effective_from, h.since) ELSE t.effective_from END""",
            "effective_until": """
                CASE WHEN h.own AND h.until IS NOT NULL
                    THEN greatest(least(t.effective_until, h.until), t.effective_from, h.since)
                    ELSE t.effective_until END""",
            "ended_at": """
                CASE WHEN h.own THEN least(h.overtaken_at, h.until)
                    WHEN t.subscription_id IS NOT NULL THEN t.effective_from ELSE h.overtaken_at END""",
        },
        """
        CROSS JOIN LATERAL (
            SELECT CASE WHEN t.subscription_id IS NULL AND t.version = 1 AND t.effective_from <= '1970-01-01Z'
                THEN 'start' WHEN t.immediate THEN 'now' ELSE 'next_period' END AS effective
        ) AS e
        LEFT JOIN LATERAL (
            SELECT n.effective_from AS overtaken_at FROM {schema}.usage_quotas AS n
            WHERE e.effective = 'next_period' AND n.immediate AND n.version = t.version + 1
                AND (n.plan_id, n.usage_type_id, coalesce(n.subscription_id, ''))
                    = (t.plan_id, t.usage_type_id, coalesce(t.subscription_id, ''))
        ) AS o ON true
        LEFT JOIN LATERAL (
            SELECT min(s.starts_at) AS since FROM {schema}.subscription_terms AS s
            WHERE s.subscription_id = t.subscription_id AND s.plan_id = t.plan_id
                AND (s.ends_at IS NULL OR s.ends_at > t.effective_from)
        ) AS f ON true
        LEFT JOIN LATERAL (
            SELECT min(l.starts_at) AS until FROM {schema}.subscription_terms AS l
            WHERE l.subscription_id = t.subscription_id AND l.plan_id <> t.plan_id AND l.starts_at > f.since
        ) AS u ON true
        CROSS JOIN LATERAL (
            SELECT e.effective, o.overtaken_at, f.since, u.until, f.since IS NOT NULL AS own
        ) AS h""",
    ),
    "fee_charges": _Filling({"frozen": "t.bills_at <= now()"}),
    "subscriptions": _Filling(
        {"opens_at": "least(t.opens_at, f.since)"},
        """
        LEFT JOIN LATERAL (
            SELECT min(c.period_start) AS since FROM fee_charges AS c
            WHERE c.subscription_id = t.id AND NOT c.frozen HAVING count(*) > 1
        ) AS f ON true""",
    ),
    "usage_summaries": _Filling(
        # What was there before alerts is under none; its default is for what is new.
        {"frozen": "c.final IS TRUE", "to_rate": "c.final IS FALSE", "next_alert": "CAST(NULL AS numeric)"},
        """
        LEFT JOIN LATERAL (
            SELECT EXISTS (
                SELECT FROM invoices AS i WHERE i.subscription_id = t.subscription_id AND i.closes_at = t.bills_at
                    AND i.status IN ('finalized', 'paid', 'uncollectible')
            ) AS final
            FROM (SELECT) AS one
            WHERE t.allowance IS DISTINCT FROM (
                    SELECT q.monthly_limit FROM {schema}.usage_quotas AS q WHERE q.id = t.quota_id
                )
                OR EXISTS (
                    SELECT FROM {schema}.usage_summaries AS n WHERE n.subscription_id = t.subscription_id
                        AND n.usage_type_id = t.usage_type_id AND n.bills_at = t.bills_at AND n.id <> t.id
                )
                OR EXISTS (
                    SELECT FROM usage_quotas AS q WHERE q.id = t.quota_id AND q.subscription_id IS NOT NULL
                        AND q.ended_at <= t.period_start
                )
        ) AS c ON true""",
    ),
}


class Marked(NamedTuple):
    """A summary that the migration lets the next run rate anew; ``unbilled``: it has usage that no run has rated."""

    subscription_id: str
    usage_type_id: str
    period_start: datetime
    unbilled: bool


class Affected(NamedTuple):
    """What the migration of terms lets the next run look at again: summaries, and fees.

    ``opened`` are the subscriptions whose fees are divided anew, or that have such summaries, each with the instant up
    to which billing had looked at its periods (None: it need not look).
    """

    summaries: list[Marked]
    opened: dict[str, datetime | None]


def show_as_migrated(connection: Connection) -> None:
    """Let this transaction see the tables as they would be, of a layout from DRAFTS on and before TERMS.

    Of summaries ``to_rate`` tells those alone that the migration marks.
    """
    schema = _schema(connection)
    inspector = inspect(connection)
    there = {name: {c["name"] for c in inspector.get_columns(name)} for name in inspector.get_table_names()}
    tables = models.Base.metadata.tables
    for name in (*_FILLED, *(name for name in tables if name not in _FILLED)):
        columns = there.get(name)
        if columns is None or name in _FILLED or not columns >= {column.name for column in tables[name].columns}:
            connection.exec_driver_sql(_view(tables[name], columns, schema))


def find_affected(connection: Connection) -> Affected:
    """What the migration lets the next run look at again; ``show_as_migrated`` came before."""
    schema = _schema(connection)
    summaries = connection.execute(
        text(
            f"""
            SELECT v.subscription_id, v.usage_type_id, v.period_start, o.to_rate AS unbilled
            FROM usage_summaries AS v JOIN {schema}.usage_summaries AS o ON o.id = v.id WHERE v.to_rate
            """  # noqa: S608
        )
    )
    marked = read_rows(summaries, Marked)
    opened = connection.execute(
        text(
            f"SELECT o.id, o.opens_at FROM {schema}.subscriptions AS o JOIN subscriptions AS v ON v.id = o.id"  # noqa: S608
            " WHERE v.opens_at IS DISTINCT FROM o.opens_at OR o.id = ANY(CAST(:marked AS text[])) ORDER BY o.id"
        ),
        {"marked": sorted({one.subscription_id for one in marked})},
    )
    return Affected(marked, {row.id: row.opens_at for row in opened})


def _schema(connection: Connection) -> str:
    name = connection.scalar(text("SELECT quote_ident(current_schema())"))
    return str(name)


def _view(table: Table, there: set[str] | None, schema: str) -> str:
    """The statement that makes the view; ``there`` are the columns that the table has, None for no table."""
    filling = _FILLED.get(table.name, _Filling({}))
    quoted = _DIALECT.identifier_preparer.quote(table.name)
    told = (f"{_told(column, there or set(), filling)} AS {_named(column)}" for column in table.columns)
    what = f"CREATE TEMPORARY VIEW {quoted} AS SELECT {', '.join(told)}"
    if there is None:
        return f"{what} WHERE false"
    return f"{what} FROM {schema}.{quoted} AS t {filling.joined.format(schema=schema)}"


def _told(column: Column[object], there: set[str], filling: _Filling) -> str:
    kind = column.type.compile(_DIALECT)
    if column.name in filling.columns:
        return f"CAST({filling.columns[column.name]} AS {kind.split(' COLLATE ')[0]})"
    if column.name in there:
        return f"t.{_named(column)}"
    default = column.server_default
    if isinstance(default, DefaultClause):
        given = default.arg
        value = f"'{given}'" if isinstance(given, str) else str(given)
        return f"({value})::{kind}"
    return f"NULL::{kind}"


def _named(column: Column[object]) -> str:
    return _DIALECT.identifier_preparer.quote(column.name)
