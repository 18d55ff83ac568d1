"""All that ends a quota or a base fee of a subscription's own, so that one of it may be taken back."""

from alembic import op

revision = "0032"
down_revision = "0031"

_TABLES = ("usage_quotas", "plan_versions")
# No version that was released knows the column, and the tables are small.
_IGNORE = "-- squawk-ignore renaming-column,changing-column-type,adding-not-nullable-field\n"


def upgrade() -> None:
    for table in _TABLES:
        op.execute(f"{_IGNORE}ALTER TABLE {table} RENAME COLUMN ended_by TO ends")
        op.execute(
            f"{_IGNORE}ALTER TABLE {table}"
            " ALTER COLUMN ends TYPE jsonb USING CASE WHEN ended_at IS NULL THEN CAST('{}' AS jsonb)"
            " ELSE jsonb_build_object(CAST(coalesce(ends, 0) AS text), ended_at) END,"
            " ALTER COLUMN ends SET DEFAULT '{}', ALTER COLUMN ends SET NOT NULL"
        )


def downgrade() -> None:
    for table in _TABLES:
        # One of those that end it.
        op.execute(
            f"ALTER TABLE {table} ALTER COLUMN ends DROP DEFAULT, ALTER COLUMN ends DROP NOT NULL,"
            " ALTER COLUMN ends TYPE bigint USING"
            " CAST(nullif(jsonb_path_query_first(ends, '$.keyvalue().key') #>> '{}', '0') AS bigint)"
        )
        op.execute(f"ALTER TABLE {table} RENAME COLUMN ends TO ended_by")
