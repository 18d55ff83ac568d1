"""What makes a recording count once, in an index a quarter smaller.

The one that is there holds the subscription's name and 16 bytes; this one 15 bytes, all told. An entry is 24 bytes
then, however long the name is, and keys of a subscription that has very many lie on a quarter fewer pages.
Made as 0008 makes its indexes, and for the same reasons.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        """
        CREATE FUNCTION usage_key(subscription_id text, source text, idempotency_key text) RETURNS bytea
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN substr(int8send(hashtextextended(subscription_id, 0)), 6)
            || substr(sha256((subscription_id || '/' || source || '/' || idempotency_key)::bytea), 1, 12)
        """
    )
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_usage_key_hash ON usage (usage_key(subscription_id, source, idempotency_key))"
    )
    op.execute("ANALYZE usage")


def downgrade() -> None:
    op.drop_index("uq_usage_key_hash", table_name="usage")
    op.execute("DROP FUNCTION usage_key(text, text, text)")
