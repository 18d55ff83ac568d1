"""What is wrong with a command is said in the command's own words."""

import click
import pytest

from usage_billing.cli.frame.errors import explain
from usage_billing.cli.nouns import alerts, wallets
from usage_billing.core.errors import InvalidInput

ALERT, WALLET = (group.commands["create"] for group in (alerts.command, wallets.command))


@click.command()
@click.option("--at-most", "most_count", type=int)
@click.option("--per", "most_per")
@click.option("--price")
def rule() -> None:
    """As that of a top-up."""


@pytest.mark.parametrize(
    ("command", "pointer", "message", "said"),
    [
        (
            ALERT,
            "/scope",
            "must name one: subscriptionId, planId, userId, all",
            "scope: must name one: --subscription, --plan, --customer, --all",
        ),
        (ALERT, "/thresholds", "give either thresholds or every", "--at: give either --at or --every"),
        (
            ALERT,
            "/thresholds/1",
            "must be greater than the one before it",
            "--at 1: must be greater than the one before it",
        ),
        (
            ALERT,
            "/usageType",
            "is needed for every one of all types",
            "--usage-type: is needed for every one of all types",
        ),
        (WALLET, "/unit/usageTypes/0", "is not there", "--usage-type 0: is not there"),
        (
            WALLET,
            "/unit/usageTypes",
            "must name at least one usage type",
            "--usage-type: must name at least one usage type",
        ),
        (rule, "/atMost/per", "must be one of day, month", "--per: must be one of day, month"),
        (rule, "/atMost/count", "must be from 1 to 9", "--at-most: must be from 1 to 9"),
        (rule, "/price/unitPrice", "is required", "--price unitPrice: is required"),
        (rule, "/planId", "has no monthlyLimit", "planId: has no monthlyLimit"),
    ],
)
def test_a_wrong_field_is_called_by_the_option_that_gives_it(
    command: click.Command, pointer: str, message: str, said: str
) -> None:
    assert explain(InvalidInput.field(pointer, message), command) == said
