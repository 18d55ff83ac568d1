"""The door for people at a terminal: the console script ``usage-billing``, one file per noun.

Owns wording, tables, exit codes. Does not own a rule: each command opens a transaction and calls one flow.
"""


def main() -> None:
    """Run the console script and exit: 0 done, 1 findings, 2 could not, 130 interrupted."""
    import sys

    try:
        from usage_billing.cli.group import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the first command was even imported
        code = 130
    sys.exit(code)
