"""Drop the index of keys that the one of 0022 replaces."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_usage_key_hash")
        op.execute("SET lock_timeout = '5s'")
    op.execute("-- squawk-ignore ban-drop-function\n" "DROP FUNCTION usage_key(text, text, text)")


def downgrade() -> None:
    # It cannot be made where keys were recorded that only the newer index tells apart.
    op.execute(
        """
        CREATE FUNCTION usage_key(subscription_id text, source text, idempotency_key text) RETURNS bytea
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN substr(int8send(hashtextextended(subscription_id, 0)), 6)
            || substr(sha256((subscription_id || '/' || source || '/' || idempotency_key)::bytea), 1, 12)
        """
    )
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_usage_key_hash ON usage (usage_key(subscription_id, source, idempotency_key))"
    )
