"""What is charged, and the guard that keeps a finalized invoice as it is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        'invoices',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.BigInteger(), nullable=True),
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('status', sa.String(length=16), server_default='draft', nullable=False),
        sa.Column('period_start', sa.DateTime(timezone=True), nullable=False),
        sa.Column('period_end', sa.DateTime(timezone=True), nullable=False),
        sa.Column('total', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.Column('credit_applied', sa.Numeric(precision=48, scale=4), server_default='0', nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('finalized_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('voided_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'draft') = (finalized_at IS NULL)", name=op.f('ck_invoices_finalized_at')),
        sa.CheckConstraint("(status = 'draft') = (number IS NULL)", name=op.f('ck_invoices_number_when_finalized')),
        sa.CheckConstraint("status IN ('draft', 'finalized', 'paid', 'void', 'uncollectible')", name=op.f('ck_invoices_status')),
        sa.CheckConstraint('credit_applied >= 0 AND credit_applied <= greatest(total, 0)', name=op.f('ck_invoices_credit_applied')),
        sa.CheckConstraint('period_end > period_start', name=op.f('ck_invoices_period')),
        sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_invoices_customer_id')),
        sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name=op.f('fk_invoices_subscription_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_invoices')),
        sa.UniqueConstraint('number', name=op.f('uq_invoices_number')),
    )
    op.create_index('ix_invoices_customer', 'invoices', ['customer_id', 'id'], unique=False)
    op.create_index('ix_invoices_drafts_due', 'invoices', ['period_end'], unique=False, postgresql_where=sa.text("status = 'draft'"))
    op.create_index('ix_invoices_subscription', 'invoices', ['subscription_id', 'id'], unique=False)
    op.create_index('uq_invoices_subscription_period', 'invoices', ['subscription_id', 'period_end'], unique=True, postgresql_where=sa.text("status <> 'void'"))
    op.create_table(
        'fee_charges',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('period_start', sa.DateTime(timezone=True), nullable=False),
        sa.Column('period_end', sa.DateTime(timezone=True), nullable=False),
        sa.Column('bills_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('amount', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('to_charge', sa.Boolean(), nullable=False),
        sa.CheckConstraint('amount >= 0', name=op.f('ck_fee_charges_amount')),
        sa.CheckConstraint('period_end > period_start', name=op.f('ck_fee_charges_period')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_fee_charges_plan_id')),
        sa.ForeignKeyConstraint(['subscription_id'], ['subscriptions.id'], name=op.f('fk_fee_charges_subscription_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_fee_charges')),
        sa.UniqueConstraint('subscription_id', 'period_start', name=op.f('uq_fee_charges_subscription_id_period_start')),
    )
    op.create_index('ix_fee_charges_to_charge', 'fee_charges', ['subscription_id'], unique=False, postgresql_where=sa.text('to_charge'))
    op.create_table(
        'usage_invoice_items',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('invoice_id', sa.Uuid(), nullable=False),
        sa.Column('summary_id', sa.BigInteger(), nullable=True),
        sa.Column('fee_id', sa.BigInteger(), nullable=True),
        sa.Column('quota_id', sa.BigInteger(), nullable=True),
        sa.Column('usage_type_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('period_start', sa.DateTime(timezone=True), nullable=False),
        sa.Column('period_end', sa.DateTime(timezone=True), nullable=False),
        sa.Column('total', sa.Numeric(precision=40, scale=12), nullable=False),
        sa.Column('billable', sa.Numeric(precision=40, scale=12), nullable=False),
        sa.Column('quantity', sa.Numeric(precision=40, scale=12), nullable=False),
        sa.Column('charged_before', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.Column('amount', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.Column('allowance', sa.Numeric(precision=28, scale=12), nullable=True),
        sa.Column('price', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column('events', sa.BigInteger(), nullable=False),
        sa.Column('billable_events', sa.BigInteger(), nullable=False),
        sa.Column('voids', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('events_hash', sa.LargeBinary(), nullable=True),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("kind IN ('usage', 'adjustment', 'fee')", name=op.f('ck_usage_invoice_items_kind')),
        sa.CheckConstraint('(fee_id IS NULL) = (quota_id IS NOT NULL)', name=op.f('ck_usage_invoice_items_quota')),
        sa.CheckConstraint('num_nonnulls(summary_id, fee_id) = 1', name=op.f('ck_usage_invoice_items_one_cause')),
        sa.ForeignKeyConstraint(['fee_id'], ['fee_charges.id'], name=op.f('fk_usage_invoice_items_fee_id')),
        sa.ForeignKeyConstraint(['invoice_id'], ['invoices.id'], name=op.f('fk_usage_invoice_items_invoice_id'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['quota_id'], ['usage_quotas.id'], name=op.f('fk_usage_invoice_items_quota_id')),
        sa.ForeignKeyConstraint(['summary_id'], ['usage_summaries.id'], name=op.f('fk_usage_invoice_items_summary_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_invoice_items')),
        sa.UniqueConstraint('fee_id', 'invoice_id', name=op.f('uq_usage_invoice_items_fee_id_invoice_id')),
        sa.UniqueConstraint('summary_id', 'invoice_id', name=op.f('uq_usage_invoice_items_summary_id_invoice_id')),
    )
    op.create_index('ix_usage_invoice_items_invoice', 'usage_invoice_items', ['invoice_id'], unique=False)
    op.create_table(
        'invoice_numbers',
        sa.Column('series', sa.String(length=16), nullable=False),
        sa.Column('last', sa.BigInteger(), nullable=False),
        sa.CheckConstraint('last >= 0', name=op.f('ck_invoice_numbers_last')),
        sa.PrimaryKeyConstraint('series', name=op.f('pk_invoice_numbers')),
    )
    op.create_table(
        'credit_balances',
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('balance', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.CheckConstraint('balance >= 0', name=op.f('ck_credit_balances_balance')),
        sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_credit_balances_customer_id')),
        sa.PrimaryKeyConstraint('customer_id', 'currency', name=op.f('pk_credit_balances')),
    )
    op.create_table(
        'credit_entries',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('customer_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('currency', sa.String(length=3), nullable=False),
        sa.Column('invoice_id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('amount', sa.Numeric(precision=48, scale=4), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint("kind IN ('granted', 'applied', 'granted_undone', 'applied_undone')", name=op.f('ck_credit_entries_kind')),
        sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_credit_entries_customer_id')),
        sa.ForeignKeyConstraint(['invoice_id'], ['invoices.id'], name=op.f('fk_credit_entries_invoice_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_entries')),
    )
    op.create_index(op.f('ix_credit_entries_customer_id'), 'credit_entries', ['customer_id'], unique=False)
    op.create_index('uq_credit_entries_invoice_kind', 'credit_entries', ['invoice_id', 'kind'], unique=True)
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.status = 'draft' THEN
                RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            IF TG_OP = 'UPDATE'
               AND (to_jsonb(NEW) - '{status,paid_at,voided_at}'::text[])
                 = (to_jsonb(OLD) - '{status,paid_at,voided_at}'::text[])
               AND ((OLD.status, NEW.status) IN (('finalized', 'paid'), ('finalized', 'void'), ('finalized', 'uncollectible'),
                                                   ('uncollectible', 'paid'), ('uncollectible', 'void'))
                    OR to_jsonb(NEW) = to_jsonb(OLD)) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'invoice % is %, it cannot change', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER finalized_invoices_never_change BEFORE UPDATE OR DELETE ON invoices
        FOR EACH ROW EXECUTE FUNCTION refuse_change_of_finalized_invoice()
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_finalized_items() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            touched uuid[] := CASE TG_OP
                WHEN 'INSERT' THEN ARRAY[NEW.invoice_id]
                WHEN 'DELETE' THEN ARRAY[OLD.invoice_id]
                ELSE ARRAY[OLD.invoice_id, NEW.invoice_id] END;
        BEGIN
            IF EXISTS (SELECT FROM invoices WHERE id = ANY (touched) AND status <> 'draft') THEN
                RAISE EXCEPTION 'the items of invoice % are final', touched[1]
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER finalized_items_never_change BEFORE INSERT OR UPDATE OR DELETE ON usage_invoice_items
        FOR EACH ROW EXECUTE FUNCTION refuse_change_of_finalized_items()
        """
    )
    op.execute("INSERT INTO invoice_numbers (series, last) VALUES ('invoice', 0)")


def downgrade() -> None:
    op.drop_table("credit_entries")
    op.drop_table("credit_balances")
    op.drop_table("invoice_numbers")
    op.drop_table("usage_invoice_items")
    op.drop_table("fee_charges")
    op.drop_table("invoices")
    op.execute("DROP FUNCTION refuse_change_of_finalized_items()")
    op.execute("DROP FUNCTION refuse_change_of_finalized_invoice()")
