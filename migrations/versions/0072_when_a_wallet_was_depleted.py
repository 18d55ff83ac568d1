"""When nothing was available in a watched wallet any more."""

from alembic import op

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    op.execute("ALTER TABLE top_up_rules ADD COLUMN depleted_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE top_up_rules DROP COLUMN depleted_at")
