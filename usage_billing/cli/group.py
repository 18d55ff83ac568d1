"""The frame of the command line: the table of commands, and how an error becomes one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import click

from usage_billing import __version__
from usage_billing.cli.frame.exit_codes import ExitCode

PROGRAM = "usage-billing"
_HELP = ["-h", "--help"]

# Name: (where it is, what it does). The words stand here so that `--help` imports no command.
COMMANDS = {
    "up": ("stack.up:up", "Start everything: database, inbox, API, worker and schedule."),
    "migrate": ("migration.migrating:command", "Bring the database to the present schema."),
    "doctor": ("doctor:command", "Find what is wrong with the set-up, and say the cure."),
    "logs": ("logbook.logs:command", "Show and follow what the processes log."),
    "simulate": ("simulation.simulate:command", "Record usage over HTTP, bill it, and show the invoice."),
    "bill": ("bill:command", "Run billing now."),
    "import": ("importing.importing:command", "Record usage from a CSV or JSON Lines file."),
    "portal-link": ("nouns.portal_link:command", "A link to a customer's pages."),
    "connect": ("nouns.connect:command", "What a program of others is given."),
    "admin-link": ("nouns.admin_link:command", "A link to the admin pages."),
    "keys": ("nouns.keys:command", "API keys and development tokens."),
    "customers": ("nouns.customers:command", "Who is billed."),
    "credits": ("nouns.credits:command", "What customers have in hand."),
    "wallets": ("nouns.wallets:command", "What customers paid for beforehand."),
    "packages": ("nouns.packages:command", "What is sold beforehand, and its purchases."),
    "seller": ("nouns.seller:command", "Who bills."),
    "taxes": ("nouns.taxes:command", "What tax costs."),
    "plans": ("nouns.plans:command", "What is sold."),
    "usage-types": ("nouns.usage_types:command", "What is counted."),
    "quotas": ("nouns.quotas:command", "Allowances and the price beyond them."),
    "prices": ("nouns.prices:command", "What a price charges, tried out."),
    "subscriptions": ("nouns.subscriptions:command", "Who is on which plan."),
    "usage": ("nouns.usage:command", "Single recordings, and taking them back."),
    "invoices": ("nouns.invoices:command", "What was charged."),
    "reports": ("nouns.reports:command", "What finance adds up: revenue, prepaid sales."),
    "export": ("nouns.exports:command", "The books as CSV, for finance."),
    "what-if": ("nouns.what_if:command", "What history would have cost on another plan or price."),
    "runs": ("nouns.runs:command", "The logbook of billing."),
    "quarantine": ("nouns.quarantine:command", "Recordings that could not be counted."),
    "events": ("nouns.events:command", "What happened, as others are told."),
    "endpoints": ("nouns.endpoints:command", "Other systems that are told of events."),
    "alerts": ("nouns.alerts:command", "What usage is watched for, and that it happened."),
    "listen": ("nouns.listen:command", "Events as they come, for developers."),
    "backup": ("backup.save:command", "Copy the inbox and the database into a folder."),
    "restore": ("backup.restore:command", "Put a backup into empty servers."),
    "docs": ("docs:command", "The pages of this documentation."),
    "verify": ("verify:command", "Recompute every summary and invoice from the usage."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the order of the table: as an operator needs them on the first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"usage_billing.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": _HELP, "max_content_width": 100},
    epilog="\b\nExample:\n  usage-billing up",
)
@click.version_option(__version__, prog_name=PROGRAM)
def usage_billing() -> None:
    """Usage-based billing beside your services: record, count, bill, invoice, exactly once.

    Settings come from the environment and from a file .env in the current folder. Where no DATABASE_URL is
    given, commands find the database that a running `usage-billing up` keeps in USAGE_BILLING_HOME.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Whatever goes wrong is one line on stderr, never a traceback.

    With ``--json`` that line is JSON too.
    """
    _have_streams()
    if not set(_HELP) & set(arguments):  # help logs nothing, and the module takes a tenth of its time
        _have_a_handler()
    try:
        result = usage_billing.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.REFUSED
    except (click.Abort, KeyboardInterrupt, EOFError):
        return ExitCode.INTERRUPTED
    except SystemExit as end:  # click's answer to a closed pipe, or 0 after it completed a word for a shell
        return _after_closed_pipe() if end.code else ExitCode.DONE
    except BrokenPipeError:
        return _after_closed_pipe()
    except Exception as error:
        return _fail(error, arguments)
    return result if isinstance(result, int) else ExitCode.DONE


def _have_streams() -> None:
    """Replace an output that was closed before the program started (None in Python) by one that discards everything."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  until the process ends


def _have_a_handler() -> None:
    """Without a handler Python itself prints warnings, tracebacks included; commands that log configure it."""
    import logging

    logging.getLogger().addHandler(logging.NullHandler())


def _fail(error: Exception, arguments: Sequence[str]) -> int:
    """Say what went wrong; returns the exit code."""
    if _interrupted(error):
        return ExitCode.INTERRUPTED
    # Late, because it imports the database driver.
    from usage_billing.cli.frame.errors import as_problem, code_of, explain

    if "--json" in arguments:
        import json

        with suppress(OSError):
            click.echo(json.dumps(as_problem(error, command_of(arguments)), ensure_ascii=False), err=True)
    else:
        _say(explain(error, command_of(arguments)))
    if isinstance(error, OSError):  # perhaps of stdout itself: its last flush would fail too
        _silence()
    return code_of(error)


def command_of(arguments: Sequence[str]) -> click.Command:
    """The command that ``arguments`` name, or the last group that they do."""
    command: click.Command = usage_billing
    for word in arguments:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    return command


def _say(message: str) -> None:
    with suppress(OSError):  # stderr may be closed
        click.echo(f"{PROGRAM}: {message}", err=True)


def _interrupted(error: BaseException) -> bool:
    """Whether a Ctrl-C caused ``error``: a driver that tidies up after one may fail, and its error then hides it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _after_closed_pipe() -> int:
    """The exit code when the program that reads our output has closed it, as `head` does."""
    _silence()
    return ExitCode.PIPE_CLOSED


def _silence() -> None:
    """Point stdout to nowhere, so that the interpreter's last flush of it does not fail."""
    with suppress(OSError):
        sys.stdout.flush()
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
