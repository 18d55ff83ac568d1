"""The audit log by subject: what happened to one thing is looked up, and not looked for.

The index is made beside the service, which goes on writing.
"""

from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_audit_log_subject")
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_audit_log_subject ON audit_log (subject, id)")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    op.drop_index("ix_audit_log_subject", table_name="audit_log")
