"""From an error to one line that says what is wrong and what to do, and to the exit code."""

from functools import singledispatch
from typing import Any

import click
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from usage_billing.cli.frame.exit_codes import ExitCode, Finding
from usage_billing.cli.frame.naming import called, in_words_of
from usage_billing.core.errors import FieldError, InvalidInput, NotFound, Unavailable, UsageBillingError
from usage_billing.redaction import redact

MIGRATE = "the database does not have this version's tables: run `usage-billing migrate`"
_LONGEST = 600
_NOT_MIGRATED = {"UndefinedTable", "UndefinedColumn", "UndefinedFunction", "UndefinedObject"}
_NAMES_NOTHING = {"unknown_customer", "unknown_plan", "unknown_subscription", "unknown_usage_type"}
_UNANSWERED = (Unavailable, OperationalError, InterfaceError, ConnectionError, TimeoutError)


def explain(error: BaseException, command: click.Command | None = None) -> str:
    """One line for a person, without a traceback and without a secret; wrong fields are called as ``command`` does."""
    if isinstance(error, InvalidInput) and error.fields:
        words = "; ".join(_of_field(field, command) for field in error.fields)
    else:
        words = _words(error)
    return " ".join(words.split())[:_LONGEST]


def _of_field(field: FieldError, command: click.Command | None) -> str:
    """What is wrong with a field, called as ``command`` does, or with all that was said where it names none."""
    words, name = in_words_of(command, field.message), called(field.pointer, command)
    return f"{name}: {words}" if name else words


def as_problem(error: BaseException, command: click.Command | None = None) -> dict[str, Any]:
    """What ``--json`` prints of an error: ``code`` for programs, ``detail`` for people, ``exitCode``, and ``errors``,
    the fields that are wrong, where the error names any.
    """
    detail = explain(error, command)
    problem: dict[str, Any] = {"code": _problem_code(error), "detail": detail, "exitCode": int(code_of(error))}
    if isinstance(error, InvalidInput) and error.fields:
        problem["errors"] = [
            {"pointer": field.pointer, "detail": field.message, "code": field.code} for field in error.fields
        ]
    return problem


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a command that ``error`` ended."""
    if isinstance(error, NotFound) or (isinstance(error, InvalidInput) and _names_nothing(error)):
        return ExitCode.NOT_THERE
    if isinstance(error, Finding):
        return ExitCode.FINDINGS
    return ExitCode.UNANSWERED if isinstance(error, _UNANSWERED) else ExitCode.REFUSED


def database_reason(error: BaseException | None) -> str:
    """Why the database refused, in the driver's words: their first line, which never holds a password."""
    while error is not None and not isinstance(error, DBAPIError):
        error = error.__cause__
    if error is None or error.orig is None:
        return ""
    lines = str(error.orig).strip().splitlines()
    return redact(lines[0].removeprefix("connection failed: ").strip()) if lines else ""


def _problem_code(error: BaseException) -> str:
    if isinstance(error, UsageBillingError):
        return error.code
    if isinstance(error, click.ClickException):
        return "wrong_arguments"
    if isinstance(error, DBAPIError):
        return "database_unavailable" if isinstance(error, OperationalError | InterfaceError) else "database_error"
    return "unreadable_file" if isinstance(error, OSError) else "internal_error"


def _names_nothing(error: InvalidInput) -> bool:
    """Whether the only fault of the input is that it names things that do not exist."""
    return bool(error.fields) and all(field.code in _NAMES_NOTHING for field in error.fields)


@singledispatch
def _words(error: BaseException) -> str:
    return redact(f"unexpected {type(error).__name__}: {error}")


@_words.register
def _(error: UsageBillingError) -> str:
    return error.message


@_words.register
def _(error: Unavailable) -> str:
    reason = database_reason(error.__cause__)
    if error.code != "database_unavailable":
        return error.message
    return f"{error.message}{f' ({reason})' if reason else ''}; `usage-billing doctor` says more"


@_words.register
def _(error: click.ClickException) -> str:
    return error.format_message()


@_words.register
def _(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "usage-billing"
    return f"{error.format_message()} Try `{where} --help`."


@_words.register
def _(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


@_words.register
def _(error: DBAPIError) -> str:
    kind = type(error.orig).__name__
    if kind in _NOT_MIGRATED:
        return MIGRATE
    if kind == "InsufficientPrivilege":
        return f"the database user may not do this: {database_reason(error)}"
    return f"the database does not answer as it should: {database_reason(error) or kind}"
