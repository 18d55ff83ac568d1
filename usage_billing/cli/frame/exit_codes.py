"""What the exit code of a command says. The numbers never change: scripts of operators compare them."""

from enum import IntEnum

from usage_billing.core.errors import UsageBillingError


class ExitCode(IntEnum):
    """The one table of exit codes; ``docs/operations.md`` explains it to operators."""

    DONE = 0
    """The command did what it was asked, and found nothing to tell."""

    FINDINGS = 1
    """The command ran to its end and found something: a warning, a difference, a skipped line."""

    REFUSED = 2
    """Typed wrongly, configured wrongly, or against what is stored; nothing was changed."""

    NOT_THERE = 3
    """The thing that the command names does not exist."""

    UNANSWERED = 4
    """A part that the command needs (database, inbox, broker, API) does not answer; a later try may succeed."""

    INTERRUPTED = 130
    """Ctrl-C ended the command: 128 and the number of SIGINT."""

    PIPE_CLOSED = 141
    """The reader of the output went away, as ``head`` does: 128 and the number of SIGPIPE."""


class Finding(UsageBillingError):
    """A command ran, and what it looked at is not as it should be: it ends with FINDINGS."""

    code = "finding"
