"""Endpoints of mail at a real server, what happens, and what sends it."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tests.support.books import rows
from tests.support.events import relayed
from tests.support.mail_servers import Postbox, posting
from tests.support.tls import make_certificate
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.carry_mail import MailCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.make_mail import MailSettings
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.outbox.service import Fact, tell
from usage_billing.setting_values import read_mail_server

SECRET = "a-secret-for-tests-of-32-characters-or-more"
ADDRESS = "https://billing.example.com"
SENDER = "Halden Cloud <billing@halden.example>"
TURN = timedelta(seconds=60)
"""A turn ends when nothing is left. It does not note what is on its way for longer than its patience; a busy machine
may take seconds for an exchange."""
QUOTA = {
    "userId": "ann",
    "subscriptionId": "s",
    "usageType": "report",
    "periodStart": "2026-12-01T00:00:00.000000Z",
    "periodEnd": "2027-01-01T00:00:00.000000Z",
    "recordId": None,
}


@dataclass
class Mail:
    """Endpoints of mail, what happens, and a clock that can be moved for what sends."""

    engine: Engine
    trust: ssl.SSLContext
    url: str
    ahead: timedelta = timedelta(0)
    courier: Courier = field(init=False)

    def __post_init__(self) -> None:
        self.courier = self.another()

    def another(self) -> Courier:
        """What another process sends with."""
        server = read_mail_server("URL", self.url, "FROM", SENDER)
        assert server is not None
        settings = MailSettings(server=server, secret=SECRET, address=ADDRESS)
        return Courier(self.engine, MailCarrier(settings, self.now, self.trust), self.now)

    def now(self) -> datetime:
        """The present, as far as it was moved."""
        return utc_now() + self.ahead

    def endpoint(self, *to: str, id: str = "e", **said: Any) -> None:
        """Make an endpoint of mail; without an address each customer is told."""
        new = NewEndpoint(id=id, kind="email", to=list(to) or "customer", types=said.pop("types", ["*"]), **said)
        with transaction(self.engine) as session:
            create_endpoint(session, new, under=SECRET, actor="test", now=self.now())

    def customer(self, name: str, email: str | None = None, language: str | None = None) -> None:
        """Make a customer."""
        with transaction(self.engine) as session:
            row = {"id": name, "email": email, "language": language}
            session.execute(
                text("INSERT INTO customers (id, name, email, language) VALUES (:id, :id, :email, :language)"), row
            )

    def tell(self, *customers: str | None, topic: str = "quota.exceeded", **data: Any) -> list[str]:
        """Let something happen to each of these customers, and relay it; returns the events' ids."""
        keys = [str(uuid4()) for _ in customers]
        facts = [Fact(topic, key, {**QUOTA, **data}, who) for key, who in zip(keys, customers, strict=True)]
        with transaction(self.engine) as session:
            tell(session, facts)
        relayed(self.engine)
        found = rows(self.engine, "SELECT dedupe_key, public_id FROM outbox_messages")
        ids = {row.dedupe_key: f"evt_{row.public_id.hex}" for row in found}
        return [ids[key] for key in keys]

    def send(self) -> int:
        """One turn of what sends."""
        return self.courier.turn(TURN, patience=TURN)

    def states(self) -> list[tuple[str, int]]:
        """State and tries of each delivery, in the order of events and recipients."""
        statement = "SELECT state, tries FROM webhook_deliveries ORDER BY position, recipient"
        return [tuple(row) for row in rows(self.engine, statement)]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def postbox(certificate: tuple[Path, Path]) -> Iterator[Postbox]:
    with posting(certificate) as made:
        yield made


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


@pytest.fixture
def mail(engine: Engine, trust: ssl.SSLContext, postbox: Postbox) -> Mail:
    return Mail(engine, trust, postbox.url())
