"""Periods that run, and are cut, are looked at by the next run.

A meter whose value is divided by time has its part of the segment that is still to begin, and a run that came before
the cut did not look again.
"""

from alembic import op

revision = "0087"
down_revision = "0086"


def upgrade() -> None:
    op.execute("""
        UPDATE usage_summaries AS s SET to_rate = true
        WHERE NOT s.to_rate AND s.bills_at > now() AND s.period_end < s.bills_at
            AND EXISTS (
                SELECT FROM meter_definitions AS d
                WHERE d.usage_type_id = s.usage_type_id AND d.version = 1 AND (
                    d.function IN ('min', 'latest', 'average') OR d.windowing ->> 'across' IN ('average', 'percentile')
                )
            )
    """)


def downgrade() -> None:
    pass  # what is looked at once more comes to the same
