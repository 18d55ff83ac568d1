"""Each occurrence of a schedule makes one grant; the rules on how grants are made hold for those that are there.

The constraint's index is made beside the service.
"""

from alembic import op

revision = "0068"
down_revision = "0067"

_END = "least(expires_at, reset_at)"
_RULES = {
    "fk_wallet_grants_schedule_id": "FOREIGN KEY (schedule_id) REFERENCES wallet_schedules (id)",
    "ck_wallet_grants_made_by": "CHECK ((key IS NULL) = (schedule_id IS NOT NULL))",
    "ck_wallet_grants_closes_at": f"CHECK (({_END} IS NULL) = (closes_at IS NULL) AND closes_at >= {_END})",
    "ck_wallet_grants_reset_at": "CHECK (reset_at > effective_at AND (expires_at IS NULL OR reset_at < expires_at))",
}
_NAME = "uq_wallet_grants_schedule_id_effective_at"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {_NAME} ON wallet_grants (schedule_id, effective_at)")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT {_NAME} UNIQUE USING INDEX {_NAME}")
    op.execute("SET LOCAL statement_timeout = 0")
    for name in _RULES:
        op.execute(f"ALTER TABLE wallet_grants VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT {_NAME}")
    for name, rule in _RULES.items():
        op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT {name} {rule} NOT VALID")
