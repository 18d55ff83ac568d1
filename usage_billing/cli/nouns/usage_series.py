"""``usage-billing usage series``: what was used over time, as a small chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import counting, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.core.decimals import plain
from usage_billing.core.errors import NotFound
from usage_billing.wire import noun as wire
from usage_billing.wire.series import USAGE_SERIES

if TYPE_CHECKING:
    from usage_billing.reports.series import UsageSeries

_BAR = 24  # characters of the longest bar
_NOTHING = Decimal(0)


@click.command(
    epilog=example("usage series sub456 tokens --by day", "usage series sub456 tokens --group-by model --top 5 --csv")
)
@click.argument("subscription", type=IDENTIFIER)
@click.argument("usage_type", type=IDENTIFIER)
@click.option("--user", "is_user", is_flag=True, help="SUBSCRIPTION is a user: all its subscriptions together.")
@click.option("--from", "start", type=TIME, help="From then on; else the present billing period.")
@click.option("--to", "end", type=TIME, help="To before then.")
@click.option(
    "--by",
    type=click.Choice(["minute", "5m", "hour", "day", "week", "month", "period"]),
    default="day",
    show_default=True,
)
@click.option("--timezone", "zone", help="The windows begin in it; the subscription's unless given.")
@click.option("--group-by", multiple=True, help="A dimension; may be given several times.")
@click.option("--dimensions", help='Which values of dimensions, as JSON: \'{"model": ["gpt"]}\'.')
@click.option("--top", type=click.IntRange(1, 10_000), help="So many series beside the rest.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line for each series in each window.")
@wide_option
@json_option
def series(
    *, subscription: str, is_user: bool, dimensions: str | None, as_csv: bool, as_json: bool, **given: Any
) -> None:
    """Show what was used of USAGE_TYPE under SUBSCRIPTION over time; of a meter also by dimensions."""
    from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
    from usage_billing.reports.series import SeriesRequest, read_wanted, usage_series
    from usage_billing.reports.series_csv import series_csv
    from usage_billing.subscriptions.queries import contracts_of, get_contract

    if as_csv and as_json:
        raise click.UsageError("--csv and --json contradict each other.")
    wanted = {} if dimensions is None else read_wanted(dimensions)
    customer, own = (subscription, None) if is_user else (None, subscription)
    with counting(customer_id=customer, subscription_id=own) as session:
        contracts = contracts_of(session, subscription) if is_user else [get_contract(session, subscription)]
        if not contracts:
            raise NotFound(f"there is no subscription of a customer {subscription}")
        asked = SeriesRequest(dimensions=wanted, **given)
        found = usage_series(session, contracts, asked, now=utc_now())
    if found.wants_keeping:
        with writing() as session:
            keep_usage_by_time(session, found.usage_type)
    if as_json:
        print_thing(wire.show(USAGE_SERIES, found), as_json=True)
    elif as_csv:
        click.echo(series_csv(found, asked.group_by), nl=False)
    else:
        _draw(found, asked.group_by)
    if found.behind:
        tell(f"{found.behind} recordings are not counted yet: usage-billing usage-types fold")


def _draw(found: UsageSeries, group_by: Sequence[str]) -> None:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(found.timezone)
    starts = [window.start.astimezone(zone).isoformat(timespec="minutes") for window in found.windows]
    rows = [{"start": start, "used": _number(used)} for start, used in zip(starts, found.whole, strict=True)]
    print_rows(list(_barred(rows, found.whole)), as_json=False, empty="no windows.")
    if group_by:
        named = [{name: _shown(one.dimensions.get(name)) for name in group_by} for one in found.series]
        totals = [one.total for one in found.series]
        if found.other.total:
            named.append(dict.fromkeys(group_by, "(other)"))
            totals.append(found.other.total)
        rows = [{**one, "total": _number(total)} for one, total in zip(named, totals, strict=True)]
        click.echo()
        print_rows(list(_barred(rows, totals)), as_json=False, empty="nothing was used.")
    click.echo(f"\ntotal {_number(found.total)} {found.unit_name}")


def _number(value: Decimal | None) -> str:
    return "(none)" if value is None else plain(value)


def _barred(rows: Sequence[dict[str, str]], values: Sequence[Decimal | None]) -> Iterator[dict[str, str]]:
    """The rows with a bar each; one below zero is drawn of dashes."""
    sizes = [value or _NOTHING for value in values]
    most = max(map(abs, sizes), default=_NOTHING) or Decimal(1)
    for row, value in zip(rows, sizes, strict=True):
        yield {**row, "": ("-" if value < 0 else "#") * int(abs(value) / most * _BAR)}


def _shown(value: Any) -> str:
    return "(none)" if value is None else str(value).lower() if isinstance(value, bool) else value
