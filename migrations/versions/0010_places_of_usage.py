"""The recordings of a subscription get an order that tells those of one instant apart, too.

By instant alone a page among very many of one instant read them all. An index of the id as well would be twice as wide:
the place that this one holds is 8 bytes, the instant and ten bits of the ordinal. Made as 0008 makes its indexes, and
for the same reasons.
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        """
        CREATE FUNCTION usage_place(occurred_at timestamptz, ordinal bigint) RETURNS bigint
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN cast(extract(epoch FROM occurred_at AT TIME ZONE 'UTC') * 1000000 AS bigint) * 1024 + (ordinal >> 6 & 1023)
        """
    )
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_usage_place ON usage (hashtextextended(subscription_id, 0), usage_place(occurred_at, ordinal))"
    )
    op.execute("ANALYZE usage")


def downgrade() -> None:
    op.drop_index("ix_usage_place", table_name="usage")
    op.execute("DROP FUNCTION usage_place(timestamptz, bigint)")
