"""What the last clean proof found, by summary: a sum of keyed hashes of its rows."""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"


def upgrade() -> None:
    op.create_table(
        "proven_summaries",
        sa.Column("summary_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint("summary_id", name="pk_proven_summaries"),
    )


def downgrade() -> None:
    op.drop_table("proven_summaries")
