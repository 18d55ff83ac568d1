"""The inbox on PostgreSQL: accepted recordings that wait, for operators whose Redis cannot promise fsync."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        'inbox_entries',
        sa.Column('shard', sa.Integer(), nullable=False),
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('appended_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('shard', 'id', name=op.f('pk_inbox_entries')),
        postgresql_with={
            'autovacuum_vacuum_scale_factor': '0',
            'autovacuum_vacuum_threshold': '5000',
            'autovacuum_vacuum_cost_delay': '0',
        },
    )
    op.create_table(
        'inbox_shards',
        sa.Column('shard', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('awake_until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('first', sa.Text(), server_default='', nullable=False),
        sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
        sa.Column('suspect', sa.Text(), server_default='', nullable=False),
        sa.PrimaryKeyConstraint('shard', name=op.f('pk_inbox_shards')),
        prefixes=['UNLOGGED'],
    )


def downgrade() -> None:
    op.drop_table("inbox_shards")
    op.drop_table("inbox_entries")
