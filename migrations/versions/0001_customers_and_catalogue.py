"""Who is billed, what is sold, what was agreed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Equality inside an exclusion constraint needs it; the extension is trusted, so the owner may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        'customers',
        sa.Column('id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('name', sa.String(length=256), nullable=False),
        sa.Column('email', sa.String(length=320), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_customers')),
    )
    op.create_table(
        'plans',
        sa.Column('id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('name', sa.String(length=256), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('interval', sa.String(length=16), server_default='month', nullable=False),
        sa.Column('interval_count', sa.Integer(), server_default='1', nullable=False),
        sa.Column('base_fee', sa.Numeric(precision=25, scale=12), nullable=True),
        sa.Column('base_fee_timing', sa.String(length=16), server_default='arrears', nullable=False),
        sa.Column('proration', sa.String(length=16), server_default='time', nullable=False),
        sa.Column('prorates_edges', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('payment_days', sa.Integer(), server_default='30', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("base_fee_timing IN ('advance', 'arrears')", name=op.f('ck_plans_base_fee_timing')),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f('ck_plans_currency')),
        sa.CheckConstraint("interval IN ('day', 'week', 'month', 'quarter', 'year')", name=op.f('ck_plans_interval')),
        sa.CheckConstraint("proration IN ('time', 'days', 'none')", name=op.f('ck_plans_proration')),
        sa.CheckConstraint('base_fee >= 0 AND base_fee <= 1e12', name=op.f('ck_plans_base_fee')),
        sa.CheckConstraint('interval_count BETWEEN 1 AND 366', name=op.f('ck_plans_interval_count')),
        sa.CheckConstraint('payment_days BETWEEN 0 AND 366', name=op.f('ck_plans_payment_days')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_plans')),
    )
    op.create_table(
        'usage_types',
        sa.Column('id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('unit_name', sa.String(length=64), nullable=False),
        sa.Column('aggregation', sa.String(length=16), server_default='sum', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("aggregation IN ('sum')", name=op.f('ck_usage_types_aggregation')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_types')),
    )
    op.create_table(
        'usage_quotas',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('usage_type_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('immediate', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('monthly_limit', sa.Numeric(precision=28, scale=12), nullable=True),
        sa.Column('price', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('unit_name', sa.String(length=64), nullable=False),
        sa.Column('effective_from', sa.DateTime(timezone=True), nullable=False),
        sa.Column('effective_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        postgresql.ExcludeConstraint((sa.column('plan_id'), '='), (sa.column('usage_type_id'), '='), (sa.text("coalesce(subscription_id, '')"), '='), (sa.text('tstzrange(effective_from, effective_until)'), '&&'), using='gist', name='ex_usage_quotas_no_overlap'),
        sa.CheckConstraint('effective_until IS NULL OR effective_until >= effective_from', name=op.f('ck_usage_quotas_span')),
        sa.CheckConstraint('monthly_limit IS NULL OR monthly_limit BETWEEN 0 AND 1e15', name=op.f('ck_usage_quotas_monthly_limit')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_usage_quotas_plan_id')),
        sa.ForeignKeyConstraint(['usage_type_id'], ['usage_types.id'], name=op.f('fk_usage_quotas_usage_type_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_quotas')),
    )
    op.create_index('ix_usage_quotas_subscription', 'usage_quotas', ['subscription_id'], unique=False, postgresql_where=sa.text('subscription_id IS NOT NULL'))
    op.create_index(op.f('ix_usage_quotas_usage_type_id'), 'usage_quotas', ['usage_type_id'], unique=False)
    op.create_index('uq_usage_quotas_version', 'usage_quotas', ['plan_id', 'usage_type_id', sa.literal_column("coalesce(subscription_id, '')"), 'version'], unique=True)
    op.create_table(
        'subscriptions',
        sa.Column('id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('timezone', sa.String(length=64), server_default='UTC', nullable=False),
        sa.Column('anchor', sa.String(length=16), server_default='calendar', nullable=False),
        sa.Column('opens_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("anchor IN ('calendar', 'anniversary')", name=op.f('ck_subscriptions_anchor')),
        sa.CheckConstraint('ended_at IS NULL OR ended_at > started_at', name=op.f('ck_subscriptions_span')),
        sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_subscriptions_customer_id')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_subscriptions_plan_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriptions')),
    )
    op.create_index(op.f('ix_subscriptions_customer_id'), 'subscriptions', ['customer_id'], unique=False)
    op.create_index('ix_subscriptions_periods_due', 'subscriptions', ['opens_at'], unique=False, postgresql_where=sa.text('opens_at IS NOT NULL'))
    op.create_index(op.f('ix_subscriptions_plan_id'), 'subscriptions', ['plan_id'], unique=False)
    op.create_table(
        'subscription_terms',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('paused', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        postgresql.ExcludeConstraint((sa.column('subscription_id'), '='), (sa.text('tstzrange(starts_at, ends_at)'), '&&'), using='gist', name='ex_subscription_terms_no_overlap'),
        sa.CheckConstraint('ends_at IS NULL OR ends_at > starts_at', name=op.f('ck_subscription_terms_span')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_subscription_terms_plan_id')),
        sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name=op.f('fk_subscription_terms_subscription_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription_terms')),
    )


def downgrade() -> None:
    op.drop_table("subscription_terms")
    op.drop_table("subscriptions")
    op.drop_table("usage_quotas")
    op.drop_table("usage_types")
    op.drop_table("plans")
    op.drop_table("customers")
    op.execute("DROP EXTENSION IF EXISTS btree_gist")
