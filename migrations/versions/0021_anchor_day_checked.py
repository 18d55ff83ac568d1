"""The rule of 0020 looks at the rows that are there; a step of its own, so that it holds up no reader."""

from alembic import op

revision = "0021"
down_revision = "0020"

_RULE = "anchor_day IS NULL OR (anchor_day BETWEEN 1 AND 31 AND anchor = 'calendar')"


def upgrade() -> None:
    op.execute("ALTER TABLE subscriptions VALIDATE CONSTRAINT ck_subscriptions_anchor_day")


def downgrade() -> None:
    op.execute("ALTER TABLE subscriptions DROP CONSTRAINT ck_subscriptions_anchor_day")
    op.execute(f"ALTER TABLE subscriptions ADD CONSTRAINT ck_subscriptions_anchor_day CHECK ({_RULE}) NOT VALID")
