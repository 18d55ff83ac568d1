"""Credentials for tests: keys of each kind, and tokens good and bad."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
from sqlalchemy import Engine

from tests.support.kept import kept
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ, USAGE_WRITE
from usage_billing.access.service import issue_key, revoke_key
from usage_billing.db.session import transaction
from usage_billing.settings import Settings

FOREIGN = ("openmeter.", "openmeter_customers.", "lago.", "lago_reads.", "lago_invoices.", "stripe.", "stripe_below.")
"""What the endpoints begin with at which other programs send; their documents describe them, not ours."""


class Keys:
    """API keys, issued when first asked for: ``keys.writer``, ``keys.admin`` ..."""

    def __init__(self, engine: Engine, *, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._kept: dict[tuple[str, ...], str] = {}

    @property
    def writer(self) -> str:
        """May record."""
        return self.of(USAGE_WRITE)

    @property
    def reader(self) -> str:
        """May read usage and invoices."""
        return self.of(USAGE_READ)

    @property
    def biller(self) -> str:
        """May run billing."""
        return self.of(BILLING_RUN)

    @property
    def admin(self) -> str:
        """May do everything."""
        return self.of(ADMIN)

    def of(self, *scopes: str) -> str:
        """The key with just these scopes."""
        if scopes not in self._kept:
            self._kept[scopes] = kept(self._engine, f"key: {scopes}", lambda: self.issue(*scopes))
        return self._kept[scopes]

    def issue(self, *scopes: str, **details: Any) -> str:
        """A new key; ``expires_at`` and ``rate_limit`` may be given."""
        with transaction(self._engine) as session:
            return issue_key(session, name="test", scopes=scopes, secret=self._settings.secret, **details).text

    def revoked(self, *scopes: str) -> str:
        """A key that was revoked."""
        with transaction(self._engine) as session:
            issued = issue_key(session, name="test", scopes=scopes, secret=self._settings.secret)
            revoke_key(session, issued.row.id, now=self._clock())
            return issued.text


def sign_token(settings: Settings, subject: str = "user123", **changes: Any) -> str:
    """A token for ``subject`` that holds for five minutes; ``changes`` replace claims, None leaves one out.

    ``secret`` and ``algorithm`` may be given as well.
    """
    secret = changes.pop("secret", settings.jwt_secret)
    algorithm = changes.pop("algorithm", "HS256")
    claims: dict[str, Any] = {
        "sub": subject,
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
        "exp": int(time.time()) + 300,
    }
    claims |= changes
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, secret, algorithm=algorithm)
