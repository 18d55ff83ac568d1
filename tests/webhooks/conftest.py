"""An endpoint at a real receiver, and what sends to it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from tests.support.books import rows
from tests.support.events import relayed
from tests.support.receivers import Receiver, receiving
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.carry_webhooks import WebhookCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.outbox.service import Fact, tell
from usage_billing.webhooks.judging import resolve

SECRET = "a-secret-for-tests-of-32-characters-or-more"
LOOPBACK = (ip_network("127.0.0.0/8"),)
TURN = timedelta(seconds=60)
"""A turn ends when nothing is left. It does not note what is on its way for longer than its patience; a busy machine
may take seconds for an exchange."""


class World:
    """Endpoints, what happens, and a clock that can be moved for what sends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ahead = timedelta(0)
        self.addresses: Callable[[str, int], Sequence[str]] = resolve
        self.courier = self.another()

    def another(self) -> Courier:
        """What another process sends with."""
        return Courier(self.engine, WebhookCarrier(SECRET, LOOPBACK, self.resolve, self.now), self.now)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host at this moment."""
        return self.addresses(host, port)

    def now(self) -> datetime:
        """The present, as far as it was moved."""
        return utc_now() + self.ahead

    def endpoint(self, receiver: Receiver | str, id: str = "e", **said: Any) -> str:
        """Make an endpoint; returns its secret."""
        url = receiver if isinstance(receiver, str) else receiver.url
        new = NewEndpoint(id=id, url=url, types=said.pop("types", ["*"]), **said)
        with transaction(self.engine) as session:
            return create_endpoint(session, new, under=SECRET, actor="test", now=self.now()).secret

    def tell(self, *customers: str | None, topic: str = "invoice.paid") -> list[str]:
        """Let something happen to each of these customers, and relay it; returns the events' ids."""
        keys = [str(uuid4()) for _ in customers]
        facts = [Fact(topic, key, {"n": n}, who) for n, (key, who) in enumerate(zip(keys, customers, strict=True))]
        with transaction(self.engine) as session:
            tell(session, facts)
        relayed(self.engine)
        found = rows(self.engine, "SELECT dedupe_key, public_id FROM outbox_messages")
        ids = {row.dedupe_key: f"evt_{row.public_id.hex}" for row in found}
        return [ids[key] for key in keys]

    def send(self, turn: timedelta = TURN) -> int:
        """One turn of what sends."""
        return self.courier.turn(turn, patience=turn)

    def states(self, endpoint: str = "e") -> list[tuple[str, int]]:
        """State and tries of each delivery to an endpoint, in the order of events."""
        statement = f"SELECT state, tries FROM webhook_deliveries WHERE endpoint_id = '{endpoint}' ORDER BY position"
        return [tuple(row) for row in rows(self.engine, statement)]

    def row(self, endpoint: str = "e") -> Any:
        """An endpoint's row."""
        (found,) = rows(self.engine, f"SELECT * FROM webhook_endpoints WHERE id = '{endpoint}'")
        return found


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
