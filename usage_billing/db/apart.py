"""Work that may fail beside other work, and leaves that as it is."""

from collections.abc import Callable

from sqlalchemy.exc import DataError, IntegrityError, InternalError, ProgrammingError
from sqlalchemy.orm import Session

from usage_billing.core.errors import Unavailable, UsageBillingError

FAULTS = (
    DataError,
    IntegrityError,
    InternalError,
    ProgrammingError,
    UsageBillingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What data or code can cause: not a server's trouble (Unavailable is to be raised before), nor a time that is over."""


def fault_of(session: Session, work: Callable[[], object]) -> Exception | None:
    """Do ``work`` in a savepoint; where it fails by its own fault, undo it alone and return that. Raises Unavailable.

    Locks that ``work`` took are given back, too.
    """
    try:
        with session.begin_nested():
            work()
    except Unavailable:
        raise
    except FAULTS as error:
        return error
    return None
