"""Tells whether there are meters that come to something else as time passes: most books have none."""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.db.session import once_while_agreed

_ANY_MOVING = text("""
    SELECT coalesce(bool_or(mode IS NOT NULL), false) AS levels, coalesce(bool_or(
            function IN ('min', 'latest', 'average') OR windowing ->> 'across' IN ('average', 'percentile')
        ), false) AS shared
    FROM meter_definitions
""")


class AnyMoving(NamedTuple):
    """Whether there are ``levels``, and other meters whose value the segments of a billing period have ``shared``."""

    levels: bool
    shared: bool


def any_moving(session: Session) -> AnyMoving:
    """Which meters there are that come to something else as time passes."""
    (found,) = once_while_agreed(session, "any moving", lambda: read_rows(session.execute(_ANY_MOVING), AnyMoving))
    return found
