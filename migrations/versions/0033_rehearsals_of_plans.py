"""A rehearsal of a change of a plan is a run that bills nothing: it keeps the change, and what it found."""

from alembic import op

revision = "0033"
down_revision = "0032"

_CHECK = (
    "CASE kind WHEN 'billing' THEN plan_change IS NULL"
    " WHEN 'rehearsal' THEN plan_change IS NOT NULL AND dry_run ELSE false END"
)


def upgrade() -> None:
    op.execute("ALTER TABLE billing_runs ADD COLUMN kind varchar(16) DEFAULT 'billing' NOT NULL")
    op.execute("ALTER TABLE billing_runs ADD COLUMN plan_change jsonb")
    op.execute("ALTER TABLE billing_runs ADD COLUMN found jsonb")
    # Runs are few, and the check is over before a worker notices.
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE billing_runs ADD CONSTRAINT ck_billing_runs_kind CHECK ({_CHECK})"
    )


def downgrade() -> None:
    op.execute("DELETE FROM billing_runs WHERE kind = 'rehearsal'")
    op.execute("ALTER TABLE billing_runs DROP CONSTRAINT ck_billing_runs_kind")
    op.execute("ALTER TABLE billing_runs DROP COLUMN found")
    op.execute("ALTER TABLE billing_runs DROP COLUMN plan_change")
    op.execute("ALTER TABLE billing_runs DROP COLUMN kind")
