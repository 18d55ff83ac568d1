"""The door for people at a terminal: the console script ``usage-billing``, one file per noun.

Owns wording, tables, exit codes. Does not own a rule: each command opens a transaction and calls one flow.
"""


def main() -> None:
    """Run the console script and exit with one of ``frame.exit_codes.ExitCode``."""
    import sys

    from usage_billing.cli.frame.exit_codes import ExitCode

    try:
        from usage_billing.cli.group import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the first command was even imported
        code = ExitCode.INTERRUPTED
    sys.exit(code)
