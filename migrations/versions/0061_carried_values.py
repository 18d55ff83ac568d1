"""Distinct values that are carried from one billing period into the next."""

from alembic import op

revision = "0061"
down_revision = "0060"

_NAME = "ck_meter_definitions_level"
_BEFORE = (
    "CASE function WHEN 'level' THEN mode IN ('change', 'set') AND per IN ('second', 'hour', 'day', 'period')"
    " ELSE mode IS NULL AND per IS NULL AND NOT carry END"
)
_NOW = (
    "(CASE WHEN function = 'level' THEN mode IN ('change', 'set')"
    " AND per IN ('second', 'hour', 'day', 'period')"
    " WHEN carry THEN function = 'unique_count' AND mode = 'seen' AND per = 'end' AND windowing IS NULL"
    " ELSE mode IS NULL AND per IS NULL END) IS TRUE"
)


def _check(condition: str) -> None:
    # Definitions are few, and the check is over before a reader notices.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE meter_definitions DROP CONSTRAINT {_NAME}")
    op.execute(
        f"-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE meter_definitions ADD CONSTRAINT {_NAME} CHECK ({condition})"
    )


def upgrade() -> None:
    _check(_NOW)


def downgrade() -> None:
    # A build before this one does not know them: with such meters there is no way back.
    _check(_BEFORE)
