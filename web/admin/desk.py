"""An operator at the desk, and one look of its at a page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from web.numbers import Writer

WRITER = Writer(locale="en", zone="UTC")
"""The admin pages speak English, and their times are UTC; what is a subscription's says its own zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who is at the desk: ``actor`` names it in the audit log, ``token`` is that of its forms."""

    id: UUID
    actor: str
    token: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One look at a page: ``session`` reads the database at one moment. ``later`` is done once that is let go."""

    operator: Operator
    session: Session
    writer: Writer = WRITER
    later: list[Callable[[], object]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The moment of the look, by the service's clock."""
        return self.operator.now
