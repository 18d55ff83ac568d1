"""What failed, in words for people: without SQL, parameters, or the names of drivers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError

from usage_billing.core.errors import UsageBillingError

_LONGEST = 500
# By SQLSTATE: what PostgreSQL's own sentence leaves open.
_MEANINGS: Mapping[str, str] = {
    "22003": "an amount or a quantity is larger than can be stored",
    "57014": "the database took too long",
}

_CONSTRAINT = "23"  # the class of SQLSTATEs where a constraint refused a row; its name is for the log


def plain_words(error: BaseException) -> str:
    """What ``error`` means, in one line of at most 500 characters. The whole of it belongs into the log."""
    lines = _said(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST]


def _said(error: BaseException) -> str:
    if isinstance(error, DBAPIError):
        return _said_by_database(error.orig)
    if isinstance(error, UsageBillingError):
        return error.message
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def _said_by_database(error: Any) -> str:
    state, diag = getattr(error, "sqlstate", None) or "", getattr(error, "diag", None)
    table, primary = getattr(diag, "table_name", None), getattr(diag, "message_primary", None)
    if state.startswith(_CONSTRAINT) and table:
        return f"what was to be stored in {table} contradicts what is there"
    return _MEANINGS.get(state) or primary or str(error)
