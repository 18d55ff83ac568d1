"""Half of each page of summaries stays free: a batch that touches all summaries of a page writes them on that page.

It holds for pages that are filled from now on. No row is rewritten, and recording goes on beside it.
"""

from alembic import op

revision = "0073"
down_revision = "0072"


def upgrade() -> None:
    op.execute("ALTER TABLE usage_summaries SET (fillfactor = 50)")


def downgrade() -> None:
    op.execute("ALTER TABLE usage_summaries SET (fillfactor = 70)")
