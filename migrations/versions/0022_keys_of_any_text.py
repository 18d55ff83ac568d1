"""What makes a recording count once, over keys of any text.

The function that is there divides its parts by a slash and reads backslashes as escapes: keys could contain neither.
This one divides them by a control character, which no key contains, and doubles backslashes so that the cast to bytea
takes each as itself. The value is that of ``convert_to(..., 'UTF8')``, which is not immutable: PostgreSQL would not
inline a function that calls it, and each recording would cost three times as much here.

The index is made beside the service, which goes on recording. The next migration drops the one that it replaces.
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(
        r"""
        CREATE OR REPLACE FUNCTION usage_key_digest(subscription_id text, source text, idempotency_key text)
        RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN substr(int8send(hashtextextended(subscription_id, 0)), 6)
            || substr(sha256(
                replace(subscription_id || chr(31) || source || chr(31) || idempotency_key, '\', '\\')::bytea
            ), 1, 12)
        """
    )
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_usage_key_digest")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_usage_key_digest"
            " ON usage (usage_key_digest(subscription_id, source, idempotency_key))"
        )
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute("ANALYZE usage")


def downgrade() -> None:
    op.drop_index("uq_usage_key_digest", table_name="usage")
    op.execute("DROP FUNCTION usage_key_digest(text, text, text)")
