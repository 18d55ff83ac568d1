"""Books of any size, made inside PostgreSQL: as if every recording had come through the API, in the order recorded.

SQL statements write whole sets of rows, because ``record_batch`` would take ten minutes for ten million recordings.
``verify`` finds no fault with the result (tests/integration/test_seed.py). It does not look at the fingerprints of
recordings, by which a repeated key is told from a conflicting one: those are made up here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from sqlalchemy.orm import Session

from usage_billing.catalog.service import NewPlan, NewQuota, NewUsageType, add_plan, add_quota_version, add_usage_type
from usage_billing.core.periods import Period, period_at
from usage_billing.db.session import make_engine, transaction
from usage_billing.metering.digest import to_bytes

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")
# The allowance of each quota. A summary of five recordings or more goes beyond it.
LIMIT = 3
PRICES: tuple[dict[str, object], ...] = (
    {"model": "per_unit", "unitPrice": "0.25"},
    {"model": "graduated", "tiers": [{"upTo": "20", "unitPrice": "0.5"}, {"upTo": None, "unitPrice": "0.3"}]},
    {"model": "package", "packageSize": "10", "packagePrice": "4"},
    {"model": "percentage", "rate": "0.029", "fixedFee": "0.3"},
)
_WORD = 48  # bits of a hash that are added up at a time: a bigint holds the sum of 32,000 such words
_WORDS = (256 + _WORD - 1) // _WORD


@dataclass(frozen=True, slots=True)
class Seeded:
    """What is in the books: subscriptions ``sub0000001`` of ``user0000001`` and so on, and their last full month."""

    subscriptions: int
    usage_types: tuple[str, ...]
    events: int
    periods: dict[str, Period]


def seed_usage(
    url: str, *, subscriptions: int, usage_types: int = 2, events: int, at: datetime | None = None
) -> Seeded:
    """Fill an empty, migrated database (``postgresql+psycopg://``) with ``events`` recordings, spread evenly.

    All lie in the month that holds ``at`` in the subscription's time zone; by default one that is over everywhere.
    The subscriptions began a month before, and the daily runs since then had nothing to charge.
    """
    moment = at or datetime.now(UTC) - timedelta(days=40)
    periods = {zone: period_at(moment, zone=zone) for zone in ZONES}
    types = tuple(f"type{number}" for number in range(usage_types))
    engine = make_engine(url)
    with transaction(engine) as session:
        _seed_catalogue(session, types)
    engine.dispose()
    each = events // (subscriptions * usage_types)
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("SET maintenance_work_mem = '256MB'")
        _seed_subscriptions(connection, subscriptions, periods)
        _seed_summaries(connection, types, each)
        with _without_indexes(connection, "usage"):
            for ordinal in range(1, each + 1):
                metadata = json.dumps({"region": f"eu-central-{1 + ordinal % 5}", "reference": "a-reference"})
                asked = {"ordinal": ordinal, "each": each, "limit": LIMIT, "metadata": metadata}
                connection.execute(_RECORD, asked)
        _seed_hashes(connection)
        agreed = ("subscriptions", "subscription_terms", "subscription_changes")
        for table in (*agreed, "customers", "usage", "usage_summaries"):
            connection.execute(f"VACUUM (ANALYZE) {table}")  # type: ignore[arg-type]
    return Seeded(subscriptions, types, each * subscriptions * usage_types, periods)


def _seed_catalogue(session: Session, types: tuple[str, ...]) -> None:
    for name in types:
        add_usage_type(session, NewUsageType(id=name, unit_name=f"{name}s"))
    for number, price in enumerate(PRICES):
        add_plan(session, NewPlan(id=f"plan{number}", name=f"Plan {number}", currency="USD"))
        for name in types:
            new = NewQuota(plan_id=f"plan{number}", usage_type=name, limit=Decimal(LIMIT), price=price)
            add_quota_version(session, new, now=datetime(2020, 1, 1, tzinfo=UTC))


_CUSTOMERS = """
    INSERT INTO customers (id, name)
    SELECT 'user' || lpad(n::text, 7, '0'), 'Customer ' || n FROM generate_series(1, %(number)s) AS n
"""
_SUBSCRIPTIONS = """
    INSERT INTO subscriptions (id, customer_id, plan_id, started_at, timezone)
    SELECT 'sub' || lpad(n::text, 7, '0'), 'user' || lpad(n::text, 7, '0'), 'plan' || n %% %(plans)s,
        p.starts - interval '1 month', p.zone
    FROM generate_series(1, %(number)s) AS n
    JOIN unnest(%(zones)s::text[], %(starts)s::timestamptz[]) WITH ORDINALITY AS p (zone, starts, position)
        ON p.position = 1 + (n / %(plans)s) %% cardinality(%(zones)s::text[])
"""
_TERMS = """
    INSERT INTO subscription_terms (subscription_id, plan_id, starts_at)
    SELECT id, plan_id, started_at FROM subscriptions AS s
    WHERE NOT EXISTS (SELECT FROM subscription_terms AS t WHERE t.subscription_id = s.id) ORDER BY id
"""


_CHANGES = """
    INSERT INTO subscription_changes (subscription_id, at, kind, plan_id, made_at, made_by)
    SELECT id, started_at, 'plan', plan_id, started_at, 'seed' FROM subscriptions AS s
    WHERE NOT EXISTS (SELECT FROM subscription_changes AS c WHERE c.subscription_id = s.id) ORDER BY id
"""


def _seed_subscriptions(connection: psycopg.Connection, number: int, periods: dict[str, Period]) -> None:
    connection.execute(_CUSTOMERS, {"number": number})
    connection.execute(
        _SUBSCRIPTIONS,
        {
            "number": number,
            "plans": len(PRICES),
            "zones": list(periods),
            "starts": [period.start for period in periods.values()],
        },
    )
    connection.execute(_TERMS)
    connection.execute(_CHANGES)
    connection.execute("CREATE TEMP TABLE periods (zone text, starts timestamptz, ends timestamptz)")
    for zone, period in periods.items():
        connection.execute("INSERT INTO periods VALUES (%s, %s, %s)", (zone, period.start, period.end))


_SUMMARIES = """
    INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end, bills_at, quota_id,
        allowance, total, beyond_limit, events, beyond_events, events_hash, to_rate)
    SELECT s.id, q.usage_type_id, p.starts, p.ends, p.ends, q.id,
        %(limit)s, %(each)s * v.each, greatest(%(each)s * v.each - %(limit)s, 0), %(each)s,
        greatest(%(each)s - %(limit)s / v.each, 0), decode(repeat('00', 32), 'hex'), true
    FROM subscriptions AS s
    JOIN periods AS p ON p.zone = s.timezone
    JOIN usage_quotas AS q ON q.plan_id = s.plan_id AND q.usage_type_id = ANY (%(types)s)
    CROSS JOIN LATERAL (SELECT 1 + right(s.id, 2)::int %% 3 AS each) AS v
    ORDER BY s.id, q.usage_type_id
"""


def _seed_summaries(connection: psycopg.Connection, types: tuple[str, ...], each: int) -> None:
    """A summary for each subscription and usage type: of ``each`` recordings, all with one quantity, 1, 2 or 3."""
    connection.execute(_SUMMARIES, {"limit": LIMIT, "each": each, "types": list(types)})


_RECORD = """
    INSERT INTO usage (id, summary_id, ordinal, occurred_at, received_at, recorded_at, subscription_id, usage_type_id,
        source, idempotency_key, fingerprint, quantity, beyond_limit, metadata)
    SELECT e.id, e.summary_id, %(ordinal)s, e.at, e.at, e.at, e.subscription_id, e.usage_type_id, '', e.id::text,
        decode(md5(e.id::text), 'hex'), e.each, greatest(%(ordinal)s * e.each - %(limit)s, 0)
            - greatest((%(ordinal)s - 1) * e.each - %(limit)s, 0),
        %(metadata)s
    FROM (
        SELECT gen_random_uuid() AS id, s.id AS summary_id, s.subscription_id, s.usage_type_id,
            div(s.total, %(each)s) AS each,
            s.period_start + (s.period_end - s.period_start) * (%(ordinal)s - 0.5) / %(each)s AS at
        FROM usage_summaries AS s WHERE s.subscription_id LIKE 'sub_______' ORDER BY s.id
    ) AS e
"""


def _seed_hashes(connection: psycopg.Connection) -> None:
    """Set each summary's sum of hashes (``metering.digest``): the database adds word by word, Python joins them."""
    words = ", ".join(
        f"sum(('x' || substr(encode(h, 'hex'), {1 + 12 * word}, 12))::bit({_WORD})::bigint)"
        for word in range(_WORDS - 1)
    )
    last = 256 - _WORD * (_WORDS - 1)
    words += f", sum(('x' || substr(encode(h, 'hex'), {1 + 12 * (_WORDS - 1)}))::bit({last})::bigint::bigint)"
    rows = connection.execute(
        f"""
        SELECT summary_id, {words}
        FROM (
            SELECT summary_id, sha256(uuid_send(id) || convert_to(trim_scale(quantity)::text, 'UTF8')) AS h FROM usage
        ) AS hashed
        GROUP BY summary_id
        """  # type: ignore[arg-type]
    )
    connection.execute("CREATE TEMP TABLE hashes (id bigint, hash bytea)")
    with connection.cursor() as cursor, cursor.copy("COPY hashes FROM STDIN") as copy:
        for id, *sums in rows:
            total = 0
            for word in sums[:-1]:
                total = (total << _WORD) + int(word)
            copy.write_row((id, to_bytes((total << last) + int(sums[-1]))))
    connection.execute("UPDATE usage_summaries AS s SET events_hash = h.hash FROM hashes AS h WHERE h.id = s.id")


@contextmanager
def _without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Within the block ``table`` has no indexes: making them afterwards costs a tenth of keeping them row by row."""
    constraints = connection.execute(
        """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = %s::regclass AND contype IN ('p', 'u')
        """,
        (table,),
    ).fetchall()
    names = [name for name, _ in constraints]
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname <> ALL (%s)", (table, names)
    ).fetchall()
    for name, _ in constraints:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")  # type: ignore[arg-type]
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")  # type: ignore[arg-type]
    yield
    for name, definition in constraints:
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")  # type: ignore[arg-type]
    for _, definition in indexes:
        connection.execute(definition)
