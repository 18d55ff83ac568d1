"""``usage-billing usage series``: what a meter counted over time, as a small chart."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from usage_billing.cli.frame.database import reading
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.core.decimals import plain
from usage_billing.wire import noun as wire
from usage_billing.wire.series import USAGE_SERIES

_BAR = 24  # characters of the longest bar


@click.command(
    epilog=example("usage series sub456 tokens --by day", "usage series sub456 tokens --group-by model --top 5 --json")
)
@click.argument("subscription", type=IDENTIFIER)
@click.argument("usage_type", type=IDENTIFIER)
@click.option("--from", "start", type=TIME, help="From then on; else the present billing period.")
@click.option("--to", "end", type=TIME, help="To before then.")
@click.option("--by", type=click.Choice(["hour", "day", "week", "month"]), default="day", show_default=True)
@click.option("--timezone", "zone", help="The windows begin in it; the subscription's unless given.")
@click.option("--group-by", multiple=True, help="A dimension; may be given several times.")
@click.option("--top", type=click.IntRange(1, 10_000), help="So many series beside the rest.")
@wide_option
@json_option
def series(*, subscription: str, as_json: bool, group_by: Sequence[str], **given: Any) -> None:
    """Show what the meter USAGE_TYPE counted under SUBSCRIPTION over time."""
    from usage_billing.reports.series import SeriesRequest, usage_series
    from usage_billing.subscriptions.queries import get_contract

    with reading() as session:
        asked = SeriesRequest(group_by=group_by, **given)
        found = usage_series(session, [get_contract(session, subscription)], asked, now=utc_now())
    if as_json:
        print_thing(wire.show(USAGE_SERIES, found), as_json=True)
        return
    sums = [sum((one.values[place] for one in (*found.series, found.other)), Decimal(0)) for place in _places(found)]
    most = max((abs(value) for value in sums), default=Decimal(0)) or Decimal(1)
    rows = [
        {
            "start": _local(window.start),
            **{_name(one.dimensions): one.texts[place] for one in found.series if group_by},
            "all": plain(sums[place]),
            "": "#" * int(abs(sums[place]) / most * _BAR),
        }
        for place, window in enumerate(found.windows)
    ]
    print_rows(rows, as_json=False, empty="no windows.")
    if found.behind:
        tell(f"{found.behind} recordings are not counted yet: usage-billing usage-types fold")


def _places(found: Any) -> range:
    return range(len(found.windows))


def _local(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"


def _name(dimensions: Any) -> str:
    return ", ".join(str(value) for value in dimensions.values())
