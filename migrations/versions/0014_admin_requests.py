"""Requests that came with an Idempotency-Key, and the answers that they were given."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        'admin_requests',
        sa.Column('credential', sa.String(length=160), nullable=False),
        sa.Column('key', sa.String(length=255), nullable=False),
        sa.Column('digest', sa.LargeBinary(), nullable=False),
        sa.Column('status', sa.Integer(), nullable=False),
        sa.Column('content_type', sa.String(length=128), nullable=False),
        sa.Column('body', sa.LargeBinary(), nullable=True),
        sa.Column('sealed', sa.Boolean(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('length(digest) = 32', name=op.f('ck_admin_requests_digest')),
        sa.PrimaryKeyConstraint('credential', 'key', name=op.f('pk_admin_requests')),
    )
    op.create_index(op.f('ix_admin_requests_created_at'), 'admin_requests', ['created_at'], unique=False)


def downgrade() -> None:
    op.drop_table("admin_requests")
