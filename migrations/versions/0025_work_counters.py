"""What workers did, added up over all of them, for those who watch the service."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        'work_counters',
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('outcome', sa.String(length=32), nullable=False),
        sa.Column('number', sa.BigInteger(), nullable=False),
        sa.Column('seconds', sa.Numeric(precision=20, scale=6), nullable=False),
        sa.PrimaryKeyConstraint('name', 'outcome', name=op.f('pk_work_counters')),
    )


def downgrade() -> None:
    op.drop_table("work_counters")
