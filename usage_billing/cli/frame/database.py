"""How a command finds its settings and its database, and which actor the audit log names for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from usage_billing.cli.frame.environment import load_environment

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from usage_billing.flows.folding.drive_reads import CustomerOf
    from usage_billing.settings import Settings


_FOLD_SECONDS = 10


def load_settings() -> Settings:
    """The settings of the environment, of ``.env``, and of an ``up`` that runs from the same home."""
    from usage_billing.settings import Settings

    load_environment()
    return Settings.from_environment()


@contextmanager
def connected(*, connections: int = 2, patience: int | None = None) -> Iterator[tuple[Settings, Engine]]:
    """The settings and an engine; raises ConfigurationError when no database is configured.

    ``patience`` is after how many seconds without an answer the server is taken to hang, if that is not the usual.
    """
    import usage_billing.all_models  # noqa: F401  what the mapper's tables point to
    from usage_billing.db.session import ANSWER_TIMEOUT, make_engine

    settings = load_settings()
    engine = make_engine(
        settings.require_database(),
        pooled=settings.pooled,
        pool_size=connections,
        answer_timeout=patience or ANSWER_TIMEOUT,
    )
    try:
        yield settings, engine
    finally:
        engine.dispose()


@contextmanager
def reading() -> Iterator[Session]:
    """A read-only session; all its queries see the database at one moment."""
    from usage_billing.db.session import read_only

    with connected() as (_, engine), read_only(engine) as session:
        yield session


@contextmanager
def counting(
    *,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    customer_of: CustomerOf | None = None,
) -> Iterator[Session]:
    """As ``reading``, after meters have counted what is left of a subscription, or of a customer's all.

    The customer is ``customer_id`` or whom ``customer_of`` finds. With none of these, what is left of all is counted,
    for some seconds at most.
    """
    from usage_billing.flows.folding.drive_folds import fold_new
    from usage_billing.flows.folding.drive_reads import counted

    with connected() as (_, engine):
        if customer_id is None and subscription_id is None and customer_of is None:
            fold_new(engine, seconds=_FOLD_SECONDS)
        with counted(engine, customer_id=customer_id, subscription_id=subscription_id, customer_of=customer_of) as (
            session,
            _,
        ):
            yield session


@contextmanager
def writing() -> Iterator[Session]:
    """A session whose work is committed as a whole at the end of the block."""
    from usage_billing.db.session import transaction

    with connected() as (_, engine), transaction(engine) as session:
        yield session


def actor() -> str:
    """The actor in the audit log: ``cli:`` and the name of the user at this machine."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user without a name
        return "cli"
