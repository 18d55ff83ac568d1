"""The signs of life of workers and beat."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        'process_heartbeats',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('role', sa.String(length=16), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
        sa.Column('beat_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ahead', sa.Interval(), nullable=False),
        sa.CheckConstraint("role IN ('worker', 'beat')", name=op.f('ck_process_heartbeats_role')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_process_heartbeats')),
    )


def downgrade() -> None:
    op.drop_table("process_heartbeats")
