"""The transaction of a request that writes: the view's own, or the one that its Idempotency-Key holds open."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import g
from sqlalchemy.orm import Session

from api.state import state
from usage_billing.db.session import transaction


@dataclass(slots=True)
class HeldTransaction:
    """A transaction that stays open until the answer is stored in it, and what to do once it is committed."""

    session: Session
    later: list[Callable[[], object]] = field(default_factory=list)


@contextmanager
def writing() -> Iterator[Session]:
    """A session whose work is committed as a whole when the block ends, or with the answer to this request."""
    held = _held()
    if held is None:
        with transaction(state().engine) as session:
            yield session
        return
    yield held.session
    held.session.flush()


def after_commit(do: Callable[[], object]) -> None:
    """Call ``do`` once the work is committed: now, or when a transaction that is held open commits."""
    held = _held()
    if held is None:
        do()
    else:
        held.later.append(do)


@contextmanager
def held_open(held: HeldTransaction) -> Iterator[None]:
    """Let ``writing()`` use this transaction until the block ends."""
    g.held_transaction = held
    try:
        yield
    finally:
        g.held_transaction = None


def _held() -> HeldTransaction | None:
    held: HeldTransaction | None = g.get("held_transaction")
    return held
