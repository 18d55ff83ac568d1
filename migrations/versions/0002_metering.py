"""What was used: recordings, their running totals, and what could not be counted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        'usage',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('summary_id', sa.BigInteger(), nullable=False),
        sa.Column('ordinal', sa.BigInteger(), nullable=False),
        sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('usage_type_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('source', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('idempotency_key', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('fingerprint', sa.LargeBinary(), nullable=False),
        sa.Column('quantity', sa.Numeric(precision=28, scale=12), nullable=False),
        sa.Column('beyond_limit', sa.Numeric(precision=28, scale=12), nullable=False),
        sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint('beyond_limit >= 0 AND beyond_limit <= quantity', name=op.f('ck_usage_beyond_limit')),
        sa.CheckConstraint('quantity > 0 AND quantity <= 1e15', name=op.f('ck_usage_quantity')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage')),
        sa.UniqueConstraint('subscription_id', 'source', 'idempotency_key', name='uq_usage_recording_key'),
        sa.UniqueConstraint('summary_id', 'ordinal', name='uq_usage_ordinal'),
    )
    op.create_index('ix_usage_subscription_occurred', 'usage', ['subscription_id', 'occurred_at', 'id'], unique=False)
    op.create_table(
        'usage_voids',
        sa.Column('usage_id', sa.Uuid(), nullable=False),
        sa.Column('summary_id', sa.BigInteger(), nullable=False),
        sa.Column('ordinal', sa.BigInteger(), nullable=False),
        sa.Column('voided_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('voided_by', sa.String(length=160), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('usage_id', name=op.f('pk_usage_voids')),
        sa.UniqueConstraint('summary_id', 'ordinal', name=op.f('uq_usage_voids_summary_id_ordinal')),
    )
    op.create_table(
        'usage_duplicates',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('usage_id', sa.Uuid(), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_duplicates')),
    )
    op.create_index(op.f('ix_usage_duplicates_usage_id'), 'usage_duplicates', ['usage_id'], unique=False)
    op.create_table(
        'usage_summaries',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('usage_type_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('period_start', sa.DateTime(timezone=True), nullable=False),
        sa.Column('period_end', sa.DateTime(timezone=True), nullable=False),
        sa.Column('bills_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('quota_id', sa.BigInteger(), nullable=True),
        sa.Column('allowance', sa.Numeric(precision=28, scale=12), nullable=True),
        sa.Column('total', sa.Numeric(precision=40, scale=12), nullable=False),
        sa.Column('beyond_limit', sa.Numeric(precision=40, scale=12), nullable=False),
        sa.Column('events', sa.BigInteger(), nullable=False),
        sa.Column('beyond_events', sa.BigInteger(), nullable=False),
        sa.Column('voids', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('events_hash', sa.LargeBinary(), nullable=False),
        sa.Column('to_rate', sa.Boolean(), nullable=False),
        sa.CheckConstraint("total >= 0 AND total < 'NaN'::numeric", name=op.f('ck_usage_summaries_total')),
        sa.CheckConstraint('beyond_events >= 0 AND beyond_events <= events', name=op.f('ck_usage_summaries_beyond_events')),
        sa.CheckConstraint('beyond_limit >= 0 AND beyond_limit <= total', name=op.f('ck_usage_summaries_beyond_limit')),
        sa.CheckConstraint('bills_at >= period_end', name=op.f('ck_usage_summaries_bills_at')),
        sa.CheckConstraint('length(events_hash) = 32', name=op.f('ck_usage_summaries_events_hash')),
        sa.CheckConstraint('period_end > period_start', name=op.f('ck_usage_summaries_period')),
        sa.ForeignKeyConstraint(['quota_id'], ['usage_quotas.id'], name=op.f('fk_usage_summaries_quota_id')),
        sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name=op.f('fk_usage_summaries_subscription_id')),
        sa.ForeignKeyConstraint(['usage_type_id'], ['usage_types.id'], name=op.f('fk_usage_summaries_usage_type_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_summaries')),
        sa.UniqueConstraint('subscription_id', 'usage_type_id', 'period_start', name=op.f('uq_usage_summaries_subscription_id_usage_type_id_period_start')),
        postgresql_with={'fillfactor': '70'},
    )
    op.create_index('ix_usage_summaries_to_rate', 'usage_summaries', ['subscription_id'], unique=False, postgresql_where=sa.text('to_rate'))
    op.create_table(
        'quarantined_usage',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('reason', sa.String(length=64), nullable=False),
        sa.Column('detail', sa.Text(), nullable=False),
        sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('quarantined_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('status', sa.String(length=16), server_default='open', nullable=False),
        sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('resolved_by', sa.String(length=128), nullable=True),
        sa.CheckConstraint("status IN ('open', 'replayed', 'discarded')", name=op.f('ck_quarantined_usage_status')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantined_usage')),
    )
    op.create_index(op.f('ix_quarantined_usage_customer_id'), 'quarantined_usage', ['customer_id'], unique=False)
    op.create_index('ix_quarantined_usage_open', 'quarantined_usage', ['id'], unique=False, postgresql_where=sa.text("status = 'open'"))


def downgrade() -> None:
    op.drop_table("quarantined_usage")
    op.drop_table("usage_summaries")
    op.drop_table("usage_duplicates")
    op.drop_table("usage_voids")
    op.drop_table("usage")
