"""What was agreed of a subscription as changes, from which its terms follow; and how often it was changed.

The changes are read off the terms that are there, so that the same terms follow from them. Where two terms next to each
other are the same, which a change that changed nothing left, the division stays (``cuts``).
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_FILL = """
WITH terms AS (
    SELECT subscription_id, plan_id, starts_at, ends_at, paused, created_at,
           lag(plan_id) OVER told AS plan_before, lag(paused) OVER told AS paused_before,
           lead(starts_at) OVER told AS next
    FROM subscription_terms WINDOW told AS (PARTITION BY subscription_id ORDER BY starts_at)
), read_off AS (
    SELECT subscription_id, starts_at AS at, 'plan' AS kind, plan_id, created_at,
           plan_before IS NOT DISTINCT FROM plan_id AND paused_before IS NOT DISTINCT FROM paused AS cuts
    FROM terms WHERE plan_before IS DISTINCT FROM plan_id OR paused_before IS NOT DISTINCT FROM paused
    UNION ALL
    SELECT subscription_id, starts_at, CASE WHEN paused THEN 'pause' ELSE 'resume' END, NULL, created_at, false
    FROM terms WHERE paused IS DISTINCT FROM coalesce(paused_before, false)
    UNION ALL
    SELECT subscription_id, ends_at, 'end', NULL, created_at, false FROM terms WHERE next IS NULL AND ends_at IS NOT NULL
)
INSERT INTO subscription_changes (subscription_id, at, kind, plan_id, cuts, made_at, made_by)
SELECT subscription_id, at, kind, plan_id, cuts, created_at, 'migration' FROM read_off ORDER BY created_at, at
"""


def upgrade() -> None:
    op.create_table(
        'subscription_changes',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('subscription_id', sa.String(length=128, collation='C'), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('plan_id', sa.String(length=128, collation='C'), nullable=True),
        sa.Column('cuts', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('made_by', sa.String(length=160), nullable=False),
        sa.Column('taken_back_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('taken_back_by', sa.String(length=160), nullable=True),
        sa.CheckConstraint("kind IN ('plan', 'pause', 'resume', 'end')", name=op.f('ck_subscription_changes_kind')),
        sa.CheckConstraint("(kind = 'plan') = (plan_id IS NOT NULL)", name=op.f('ck_subscription_changes_plan')),
        sa.ForeignKeyConstraint(['plan_id'], ['plans.id'], name=op.f('fk_subscription_changes_plan_id')),
        sa.ForeignKeyConstraint(
            ['subscription_id'], ['subscriptions.id'], name=op.f('fk_subscription_changes_subscription_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription_changes')),
    )
    op.create_index('ix_subscription_changes_subscription', 'subscription_changes', ['subscription_id', 'at'])
    op.add_column('subscriptions', sa.Column('version', sa.Integer(), server_default='1', nullable=False))
    op.execute(_FILL)


def downgrade() -> None:
    op.drop_column("subscriptions", "version")
    op.drop_table("subscription_changes")
