"""``usage-billing reports``: what finance books."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import reading
from usage_billing.cli.frame.listing import example, span_options
from usage_billing.cli.frame.output import json_option, pick, print_json, print_rows, wide_option
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.prepaid import PREPAID_REPORT
from usage_billing.wire.revenue import REVENUE_BY, REVENUE_REPORT

if TYPE_CHECKING:
    from usage_billing.core.spans import Span

_KEYS = {"currency": ("currency",), "day": ("day", "currency"), "grant": ("grantId", "currency")}
_FIGURES = ("deferredAtStart", "sold", "recognised", "breakage", "refunded", "deferredAtEnd", "provisional")
_WIDE_ONLY = {"walletId", "userId"}


_OF_REVENUE = {"month": "month", "plan": "planId", "usageType": "usageType", "customer": "userId"}
_BILLED = ("usage", "fees", "purchases", "adjustments", "voided", "net")
_SETTLED = ("tax", "totalWithTax", "prepaidApplied", "creditApplied", "creditGranted", "amountDue")


@click.group(epilog=example("reports revenue --from 2026-01-01 --to 2027-01-01"))
def command() -> None:
    """Reports for finance."""


@command.command(epilog=example("reports prepaid --from 2026-06-01 --to 2026-07-01 --by grant --csv"))
@span_options("movements")
@click.option("--currency", help="Only what was sold in it: an ISO 4217 code such as USD.")
@click.option("--by", type=click.Choice(["currency", "day", "grant"]), default="currency", show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@wide_option
@json_option
def prepaid(*, span: Span, currency: str | None, by: str, as_csv: bool, as_json: bool) -> None:
    """Show what of prepaid sales is deferred, sold, recognised, breakage and refunded."""
    from usage_billing.reports.prepaid import By, prepaid_report
    from usage_billing.reports.prepaid_csv import prepaid_csv

    if as_csv and as_json:
        raise click.UsageError("--csv and --json contradict each other.")
    with reading() as session:
        found = prepaid_report(session, span, by=By(by), currency=currency, now=utc_now())
    shape = wire.show(PREPAID_REPORT, found)
    if as_csv:
        click.echo(prepaid_csv(found), nl=False)
    elif as_json:
        print_json(shape)
    else:
        columns = (*_KEYS[by], *(("walletId", "userId") if by == "grant" else ()), *_FIGURES[: 6 if by == "day" else 7])
        rows = [pick(line, *columns) for line in shape["data"]]
        print_rows(rows, as_json=False, empty="Nothing was sold beforehand.", wide_only=_WIDE_ONLY)


@command.command(epilog=example("reports revenue --from 2026-01-01 --to 2027-01-01 --by month --by plan --csv"))
@span_options("what became final or void")
@click.option("--currency", help="Only what was billed in it: an ISO 4217 code such as USD.")
@click.option(
    "--by",
    type=click.Choice(REVENUE_BY),
    multiple=True,
    default=["month"],
    show_default=True,
    help="What the lines are told apart by; may be given several times.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@wide_option
@json_option
def revenue(*, span: Span, currency: str | None, by: tuple[str, ...], as_csv: bool, as_json: bool) -> None:
    """Show what final invoices billed, less what became void."""
    from usage_billing.reports.revenue import RevenueBy, revenue_report
    from usage_billing.reports.revenue_csv import revenue_csv

    if as_csv and as_json:
        raise click.UsageError("--csv and --json contradict each other.")
    with reading() as session:
        found = revenue_report(session, span, by=[RevenueBy(one) for one in by], currency=currency)
    shape = wire.show(REVENUE_REPORT, found)
    if as_csv:
        click.echo(revenue_csv(found), nl=False)
    elif as_json:
        print_json(shape)
    else:
        whole = {"plan", "usageType"}.isdisjoint(by)
        columns = (*(_OF_REVENUE[one] for one in shape["by"]), "currency", *_BILLED, *(_SETTLED if whole else ()))
        rows = [pick(line, *columns) for line in shape["data"]]
        print_rows(rows, as_json=as_json, empty="No invoice became final.", wide_only={*_SETTLED[2:5], "purchases"})
