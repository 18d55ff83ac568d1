"""What a process of the API holds: settings, engine, clock, caches. The app has it, so that two apps can coexist."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, Request, current_app, request
from sqlalchemy import Engine

import usage_billing.all_models  # noqa: F401  what the mapper's tables point to
from api.key_cache import KeyCache
from api.making import MakingTypes
from api.metrics import Metrics
from api.rates import Rates
from usage_billing.access.principal import Principal
from usage_billing.access.service import authenticate
from usage_billing.access.tokens import TokenRules
from usage_billing.brand.identity import Brand
from usage_billing.brand.reading import read_brand
from usage_billing.catalog.quantity_versions import types_that_make_quantities
from usage_billing.core.clock import utc_now
from usage_billing.db.session import make_engine, read_only, transaction
from usage_billing.flows.folding.drive_reads import look_again
from usage_billing.settings import Settings

_EXTENSION = "usage_billing.api"
_MAX_POOL = 10
# Seconds. A sender waits for the answer, so the API gives up (503) sooner than a worker, for which no sender waits.
_ANSWER_TIMEOUT = 10


@dataclass(slots=True)
class State:
    """Everything but ``clock`` is fixed for the life of the process."""

    settings: Settings
    engine: Engine
    clock: Callable[[], datetime]
    keys: KeyCache
    rates: Rates
    making: MakingTypes
    metrics: Metrics
    token_rules: TokenRules
    public_address: str
    brand: Brand

    def start_over(self, *, clock: Callable[[], datetime]) -> None:
        """Forget what was cached or counted, and go by another clock: for tests."""
        self.clock = clock
        self.keys.clear()
        self.rates.clear()
        self.making.forget()
        self.metrics.database.forget()
        look_again(self.engine)


def init_app(app: Flask, settings: Settings) -> State:
    """Make the state of ``app``; nothing is connected yet. Raises ConfigurationError."""
    pool_size = min(settings.api_threads, _MAX_POOL)
    engine = make_engine(
        settings.require_database(), pooled=settings.pooled, pool_size=pool_size, answer_timeout=_ANSWER_TIMEOUT
    )
    secret = settings.require_secret()

    def load(key: str) -> Principal:
        with transaction(engine) as session:
            return authenticate(session, key, secret=secret, now=made.clock())

    def making() -> frozenset[str]:
        with read_only(engine) as session:
            return types_that_make_quantities(session)

    made = State(
        settings=settings,
        engine=engine,
        clock=utc_now,
        keys=KeyCache(load, secret=secret, fresh_seconds=settings.key_cache_seconds),
        rates=Rates(),
        making=MakingTypes(making),
        metrics=Metrics(engine),
        token_rules=TokenRules.of(settings),
        public_address=settings.public_address,
        brand=read_brand(settings.brand_file),
    )
    app.extensions[_EXTENSION] = made
    return made


def state_of(app: Flask) -> State:
    """The state of ``app``."""
    found = app.extensions[_EXTENSION]
    assert isinstance(found, State)  # noqa: S101  narrows the type of Flask's untyped dict
    return found


def state() -> State:
    """The state of the app that answers this request."""
    return state_of(current_app)


def this_request() -> Request:
    """The request itself, not Flask's proxy for it: each access through the proxy costs half a microsecond."""
    found = request._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(found, Request)  # noqa: S101  narrows the type of werkzeug's untyped proxy
    return found
