"""The day of the month that the periods of a subscription begin on."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_RULE = "anchor_day IS NULL OR (anchor_day BETWEEN 1 AND 31 AND anchor = 'calendar')"


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("anchor_day", sa.Integer(), nullable=True))
    op.execute(f"ALTER TABLE subscriptions ADD CONSTRAINT ck_subscriptions_anchor_day CHECK ({_RULE}) NOT VALID")


def downgrade() -> None:
    op.drop_column("subscriptions", "anchor_day")
