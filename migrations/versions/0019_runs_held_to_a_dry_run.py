"""A run that expects a digest is held to the dry run that showed it; and invoices are listed by number."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_LISTS = {
    "ix_invoices_place": "",
    "ix_invoices_customer_place": "customer_id, ",
    "ix_invoices_subscription_place": "subscription_id, ",
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("billing_runs", sa.Column("expected_digest", sa.String(length=64), nullable=True))
    op.add_column("billing_runs", sa.Column("rehearsal_id", sa.Uuid(), nullable=True))
    op.create_table(
        "billing_run_pins",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.String(length=128, collation="C"), nullable=False),
        sa.Column("usage_type_id", sa.String(length=128, collation="C"), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("voids", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("events >= 0 AND voids >= 0", name=op.f("ck_billing_run_pins_ordinals")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["billing_runs.id"], name=op.f("fk_billing_run_pins_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "run_id", "subscription_id", "usage_type_id", "period_start", name=op.f("pk_billing_run_pins")
        ),
    )
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_billing_runs_digest ON billing_runs (digest, id) WHERE dry_run"
    )
    # Lists of invoices go by number, drafts first. While these are made billing waits, the only one that writes them.
    for name, columns in _LISTS.items():
        op.execute(
            "-- squawk-ignore require-concurrent-index-creation\n"
            f"CREATE INDEX {name} ON invoices ({columns}coalesce(number, 9223372036854775807), id)"
        )


def downgrade() -> None:
    for name in _LISTS:
        op.drop_index(name, table_name="invoices")
    op.drop_index("ix_billing_runs_digest", table_name="billing_runs")
    op.drop_table("billing_run_pins")
    op.drop_column("billing_runs", "rehearsal_id")
    op.drop_column("billing_runs", "expected_digest")
