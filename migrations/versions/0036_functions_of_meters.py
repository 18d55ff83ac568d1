"""More functions of meters: extremes, the latest value, distinct values, and the mean."""

from alembic import op

revision = "0036"
down_revision = "0035"

_FUNCTIONS = "('sum', 'count', 'max', 'min', 'latest', 'unique_count', 'average')"


def _check(table: str, column: str, values: str) -> None:
    name = f"ck_{table}_{column}"
    # Usage types and definitions are few, and the check is over before a reader notices.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(
        f"-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IN {values})"
    )


def upgrade() -> None:
    _check("usage_types", "aggregation", _FUNCTIONS)
    _check("meter_definitions", "function", _FUNCTIONS)
    for table in ("meter_totals", "meter_buckets"):
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN maximum numeric(40, 12), ADD COLUMN minimum numeric(40, 12),"
            " ADD COLUMN latest numeric[]"
        )
    op.execute("ALTER TABLE meter_totals ADD COLUMN distinct_values bigint")
    op.execute(
        "CREATE TABLE meter_values ("
        " summary_id bigint NOT NULL,"
        " series uuid NOT NULL,"
        " digest bytea NOT NULL,"
        " n bigint NOT NULL,"
        " CONSTRAINT pk_meter_values PRIMARY KEY (summary_id, series, digest)"
        ") WITH (fillfactor = 70)"
    )


def downgrade() -> None:
    # A build before this one does not know the functions: with such meters there is no way back.
    op.execute("DROP TABLE meter_values")
    op.execute("ALTER TABLE meter_totals DROP COLUMN distinct_values")
    for table in ("meter_buckets", "meter_totals"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN latest, DROP COLUMN minimum, DROP COLUMN maximum")
    _check("meter_definitions", "function", "('sum', 'count')")
    _check("usage_types", "aggregation", "('sum', 'count')")
