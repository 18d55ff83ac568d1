"""``usage-billing customers`` and ``seller``: what stands on invoices, said at the terminal."""

import pytest

from tests.integration.conftest import Cli
from usage_billing.cli.frame.exit_codes import ExitCode

LONDON = ("--line1", "1 High St", "--city", "London", "--country", "GB")
SELLER = ("seller", "set", "--legal-name", "Example GmbH")


def test_a_customer_is_made_changed_and_forgets(cli: Cli) -> None:
    made = cli("customers", "create", "ann", "--name", "Ann", "--legal-name", "Ann Ltd", *LONDON, "--json").json
    assert (made["legalName"], made["address"]["city"], made["taxId"]) == ("Ann Ltd", "London", None)
    changed = cli("customers", "change", "ann", "--tax-id", "GB1", "--language", "en", "--forget", "address", "--json")
    assert changed.code == 0, changed.err
    shown = cli("customers", "show", "ann", "--json").json
    assert shown == made | {"taxId": "GB1", "language": "en", "address": None}
    gone = cli("customers", "change", "ann", "--forget", "legal-name", "--forget", "tax-id", "--json").json
    assert (gone["legalName"], gone["taxId"], gone["language"]) == (None, None, "en")


def test_the_seller_is_said_and_shown(cli: Cli) -> None:
    none = cli("seller", "show")
    assert (none.code, none.err.count("\n")) == (ExitCode.NOT_THERE, 1)
    said = cli(*SELLER, *LONDON, "--iban", "DE89 3704 0044 0532 0130 00", "--json")
    assert said.code == 0, said.err
    assert said.json["iban"] == "DE89370400440532013000"
    assert cli("seller", "show", "--json").json == said.json


@pytest.mark.parametrize(
    "words",
    [
        ("customers", "create", "ann", "--name", "Ann", "--city", "London"),
        ("customers", "create", "ann", "--name", "Ann", *LONDON[:-1], "XX"),
        ("customers", "create", "ann", "--name", "Ann", "--language", "english"),
        ("customers", "change", "ann", "--forget", "tax-id", "--tax-id", "x"),
        ("customers", "change", "ann"),
        (*SELLER, "--iban", "DE88370400440532013000", *LONDON),
        SELLER,
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(cli: Cli, words: tuple[str, ...]) -> None:
    found = cli(*words)
    assert (found.code, found.err.count("\n")) == (ExitCode.REFUSED, 1), found.err
    assert cli("customers", "list", "--json").json == []
    assert cli("seller", "show").code == ExitCode.NOT_THERE
