"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Keep it lock-safe: add columns nullable or with a constant default; build indexes on large tables
CONCURRENTLY in an autocommit block; add constraints NOT VALID and validate them in the next revision.
Keep it reversible: the suite runs every migration up, down and up again.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
