"""Hears events as they are numbered, and forwards them at once: for a developer at a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_network

from sqlalchemy import Engine, func, select

from usage_billing.core.clock import instant_text
from usage_billing.db.session import read_only
from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.queries import bodies_of, events_where
from usage_billing.outbox.rendering import event_id
from usage_billing.webhooks.judging import judged
from usage_billing.webhooks.sending import Exchange
from usage_billing.webhooks.signing import headers_of

_AT_ONCE = 100
# The developer who types the address may call it from this machine anyway.
_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class Heard:
    """One event that was heard, and what the program answered, in words."""

    at: str
    type: str
    id: str
    answer: str


@dataclass(slots=True)
class Listener:
    """Hears what is numbered from its making on; ``url`` None forwards nothing. Raises InvalidInput for a bad URL."""

    engine: Engine
    url: str | None
    secret: str
    types: Sequence[str] | None = None
    _after: int = field(init=False)

    def __post_init__(self) -> None:
        if self.url is not None:
            judged(self.url, allowed=_ANYWHERE)
        with read_only(self.engine) as session:
            self._after = session.scalar(select(func.max(OutboxMessage.position))) or 0

    def hear(self, *, now: datetime) -> Iterator[Heard]:
        """What was numbered since the last look, each forwarded as it is yielded."""
        with read_only(self.engine) as session:
            found = events_where(after=self._after, types=self.types).order_by(OutboxMessage.position).limit(_AT_ONCE)
            events = session.scalars(found).all()
            bodies = bodies_of(session, [event.id for event in events])
        for event in events:
            self._after = event.position or self._after
            id = event_id(event.public_id) if event.public_id else ""
            yield Heard(instant_text(event.created_at), event.topic, id, self._forward(id, bodies[event.id], now=now))

    def _forward(self, id: str, body: bytes, *, now: datetime) -> str:
        if self.url is None:
            return ""
        answer = Exchange().post(self.url, body, headers_of([self.secret], id=id, at=now, body=body), allowed=_ANYWHERE)
        return answer.error or f"answered {answer.status}"
