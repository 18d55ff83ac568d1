"""A wallet may be closed: nothing is put into it any more."""

from alembic import op

revision = "0085"
down_revision = "0084"


def upgrade() -> None:
    op.execute("ALTER TABLE wallets ADD COLUMN closed_at timestamptz")


def downgrade() -> None:
    # A build before this one knows no closed wallet: it takes something in again there.
    op.execute("ALTER TABLE wallets DROP COLUMN closed_at")
