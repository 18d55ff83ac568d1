"""NUL, an escape and 10,000 characters where a command takes a text: refused in one line, and nothing is changed."""

from typing import Any

from sqlalchemy import Engine

from tests.integration.conftest import Cli
from tests.support.refusals import written

TEXTS = ("a\x00b", "x" * 10_000, "a\x1b[2J")
_ADDRESS = ("--line1", "x", "--city", "x", "--country", "DE")
_METER = ("usage-types", "create", "m", "--of", "assessment", "--value", "n")
_QUOTA = ("quotas", "create", "--plan", "business", "--usage-type", "report", "--limit", "1", "--unit-price", "1")
_RECORD = ("usage", "record", "--customer", "user123", "--subscription", "sub456", "--usage-type", "assessment")
_SELLER = ("seller", "set", *_ADDRESS)
_SERIES = ("usage", "series", "sub456", "assessment")
# Each without the text, which comes last.
COMMANDS = [
    (*_METER, "--aggregation"),
    (*_METER, "--dimension"),
    (*_METER, "--unit-name"),
    ("usage-types", "create", "m", "--quantity-from"),
    ("alerts", "create", "a", "--all", "--on", "amount", "--at", "5", "--currency"),
    ("alerts", "create", "a", "--subscription", "sub456", "--on", "units", "--at", "5", "--to"),
    ("wallets", "create", "w", "--customer", "user123", "--currency"),
    ("wallets", "create", "w", "--customer", "user123", "--usage-type", "assessment", "--unit"),
    ("plans", "create", "q", "--name", "Q", "--currency"),
    ("plans", "create", "q", "--currency", "USD", "--name"),
    ("endpoints", "create", "e", "--language", "x", "--email"),
    ("endpoints", "create", "e", "--url"),
    ("endpoints", "create", "e", "--url", "https://1.1.1.1/", "--description"),
    ("subscriptions", "create", "z", "--customer", "user123", "--plan", "business", "--timezone"),
    (*_QUOTA, "--currency"),
    (*_QUOTA, "--unit-name"),
    (*_RECORD, "--quantity"),
    (*_RECORD, "--quantity", "1", "--timestamp"),
    (*_RECORD, "--quantity", "1", "--metadata"),
    (*_RECORD, "--quantity", "1", "--idempotency-key"),
    (*_SERIES, "--group-by"),
    (*_SERIES, "--dimensions"),
    (*_SERIES, "--timezone"),
    ("invoices", "show"),
    ("keys", "revoke"),
    ("keys", "create", "--scope", "usage:read", "--name"),
    ("customers", "create", "q", "--name"),
    ("customers", "create", "q", "--name", "q", "--legal-name"),
    ("customers", "create", "q", "--name", "q", "--tax-id"),
    ("customers", "create", "q", "--name", "q", *_ADDRESS[2:], "--line1"),
    (*_SELLER, "--legal-name"),
    (*_SELLER, "--legal-name", "x", "--iban"),
    (*_SELLER, "--legal-name", "x", "--registration"),
    ("reports", "prepaid", "--currency"),
]


def test_no_command_takes_it(cli: Cli, world: Engine) -> None:
    before, wrong = written(world), list[Any]()
    for command in COMMANDS:
        for text in TEXTS:
            answer = cli(*command, text)
            if answer.code not in {2, 3} or "unexpected" in answer.err or answer.err.count("\n") != 1 or answer.out:
                wrong.append((command, text[:9], answer))
    assert not wrong, "\n".join(map(str, wrong))
    assert written(world) == before
