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
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f('ck_plans_currency')),
        sa.CheckConstraint("interval IN ('month')", name=op.f('ck_plans_interval')),
        sa.CheckConstraint('interval_count = 1', name=op.f('ck_plans_interval_count')),
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
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('monthly_limit', sa.Numeric(precision=28, scale=12), nullable=True),
        sa.Column('price', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('unit_name', sa.String(length=64), nullable=False),
        sa.Column('effective_from', sa.DateTime(timezone=True), nullable=False),
        sa.Column('effective_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        postgresql.ExcludeConstraint((sa.column('plan_id'), '='), (sa.column('usage_type_id'), '='), (sa.text('tstzrange(effective_from, effective_until)'), '&&'), using='gist', name='ex_usage_quotas_no_overlap'),
        sa.CheckConstraint('effective_until IS NULL OR effective_until >= effective_from', name=op.f('ck_usage_quotas_span')),
        sa.CheckConstraint('monthly_limit IS NULL OR monthly_limit BETWEEN 0 AND 1e15', name=op.f('ck_usage_quotas_monthly_limit')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_usage_quotas_plan_id')),
        sa.ForeignKeyConstraint(['usage_type_id'], ['usage_types.id'], name=op.f('fk_usage_quotas_usage_type_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_quotas')),
        sa.UniqueConstraint('plan_id', 'usage_type_id', 'version', name=op.f('uq_usage_quotas_plan_id_usage_type_id_version')),
    )
    op.create_index(op.f('ix_usage_quotas_usage_type_id'), 'usage_quotas', ['usage_type_id'], unique=False)
    op.create_table(
        'subscriptions',
        sa.Column('id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('timezone', sa.String(length=64), server_default='UTC', nullable=False),
        sa.Column('anchor', sa.String(length=16), server_default='calendar', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("anchor IN ('calendar')", name=op.f('ck_subscriptions_anchor')),
        sa.CheckConstraint('ended_at IS NULL OR ended_at > started_at', name=op.f('ck_subscriptions_span')),
        sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_subscriptions_customer_id')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_subscriptions_plan_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriptions')),
    )
    op.create_index(op.f('ix_subscriptions_customer_id'), 'subscriptions', ['customer_id'], unique=False)
    op.create_index(op.f('ix_subscriptions_plan_id'), 'subscriptions', ['plan_id'], unique=False)


def downgrade() -> None:
    op.drop_table("subscriptions")
    op.drop_table("usage_quotas")
    op.drop_table("usage_types")
    op.drop_table("plans")
    op.drop_table("customers")
    op.execute("DROP EXTENSION IF EXISTS btree_gist")
