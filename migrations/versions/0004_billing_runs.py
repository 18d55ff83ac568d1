"""The logbook of the daily chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        'billing_runs',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('key', sa.String(length=64), nullable=True),
        sa.Column('as_of', sa.DateTime(timezone=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('dry_run', sa.Boolean(), nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
        sa.Column('requested_by', sa.String(length=128), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('heartbeat_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('subscriptions', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('invoices', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('items', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('finalized', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('amounts', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=True),
        sa.Column('warnings', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
        sa.Column('error', sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('opened', 'invoicing', 'finalizing', 'completed', 'failed')", name=op.f('ck_billing_runs_status')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_billing_runs')),
    )
    op.create_index('ix_billing_runs_unfinished', 'billing_runs', ['id'], unique=False, postgresql_where=sa.text("status IN ('opened', 'invoicing', 'finalizing')"))
    op.create_index('uq_billing_runs_key', 'billing_runs', ['key'], unique=True, postgresql_where=sa.text('key IS NOT NULL'))
    op.create_table(
        'billing_run_slices',
        sa.Column('run_id', sa.Uuid(), nullable=False),
        sa.Column('phase', sa.String(length=16), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('first_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('last_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('done', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('outcome', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False),
        sa.CheckConstraint("phase IN ('invoice', 'finalize')", name=op.f('ck_billing_run_slices_phase')),
        sa.ForeignKeyConstraint(['run_id'], ['billing_runs.id'], name=op.f('fk_billing_run_slices_run_id'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('run_id', 'phase', 'position', name=op.f('pk_billing_run_slices')),
    )
    op.create_index('ix_billing_run_slices_pending', 'billing_run_slices', ['run_id', 'phase', 'position'], unique=False, postgresql_where=sa.text('NOT done'))


def downgrade() -> None:
    op.drop_table("billing_run_slices")
    op.drop_table("billing_runs")
