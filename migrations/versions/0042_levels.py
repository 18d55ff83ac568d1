"""Levels: meters of what goes on, such as storage in use, by the time that it does."""

from alembic import op

revision = "0042"
down_revision = "0041"

_BEFORE = "'sum', 'count', 'max', 'min', 'latest', 'unique_count', 'average'"
_LEVEL = (
    "CASE function WHEN 'level' THEN mode IN ('change', 'set') AND per IN ('second', 'hour', 'day', 'period')"
    " ELSE mode IS NULL AND per IS NULL AND NOT carry END"
)


def _check(table: str, column: str, values: str) -> None:
    name = f"ck_{table}_{column}"
    # Usage types and definitions are few, and the check is over before a reader notices.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(
        f"-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IN ({values}))"
    )


def upgrade() -> None:
    _check("usage_types", "aggregation", f"{_BEFORE}, 'level'")
    _check("meter_definitions", "function", f"{_BEFORE}, 'level'")
    op.execute(
        "ALTER TABLE meter_definitions ADD COLUMN mode varchar(8), ADD COLUMN per varchar(8),"
        " ADD COLUMN carry boolean DEFAULT false NOT NULL"
    )
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE meter_definitions ADD CONSTRAINT ck_meter_definitions_level CHECK ({_LEVEL})"
    )
    for table in ("meter_totals", "meter_buckets"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN first numeric[], ADD COLUMN weighted numeric")
    op.execute(
        "CREATE TABLE meter_levels ("
        " summary_id bigint NOT NULL,"
        " upto timestamptz NOT NULL,"
        " area numeric NOT NULL,"
        " level numeric NOT NULL,"
        " CONSTRAINT pk_meter_levels PRIMARY KEY (summary_id)"
        ") WITH (fillfactor = 70)"
    )


def downgrade() -> None:
    # A build before this one does not know the function: with such meters there is no way back.
    op.execute("DROP TABLE meter_levels")
    for table in ("meter_buckets", "meter_totals"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN weighted, DROP COLUMN first")
    op.execute("ALTER TABLE meter_definitions DROP CONSTRAINT ck_meter_definitions_level")
    op.execute("ALTER TABLE meter_definitions DROP COLUMN carry, DROP COLUMN per, DROP COLUMN mode")
    _check("meter_definitions", "function", _BEFORE)
    _check("usage_types", "aggregation", _BEFORE)
