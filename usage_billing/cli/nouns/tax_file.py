"""Reads a file of tax rates."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import IO

from usage_billing.core.countries import is_country
from usage_billing.core.decimals import parse_decimal
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import read_day
from usage_billing.customers.parties import COUNTRY_RULE
from usage_billing.rating.tax.categories import RATED
from usage_billing.taxes.service import MAX_RATE_PLACES, NewTaxRate

_COLUMNS = ("country", "category", "rate", "effectiveFrom")
_MOST = Decimal(100)


def read_rates(file: IO[str]) -> list[NewTaxRate]:
    """The rates of a CSV file; raises InvalidInput with the line of what is wrong."""
    try:
        return list(_rates(file))
    except (UnicodeDecodeError, csv.Error):
        raise InvalidInput("the file is no CSV in UTF-8", code="not_csv") from None


def _rates(file: IO[str]) -> Iterator[NewTaxRate]:
    rows = csv.DictReader(file, restkey="", strict=True)
    if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
        raise InvalidInput(f"the first line must name the columns {', '.join(_COLUMNS)}: {missing[0]} is missing")
    for row in rows:
        try:
            yield _rate(row)
        except ValueError as error:
            raise InvalidInput(f"line {rows.line_num}: {error}") from None


def _rate(row: dict[str, str | None]) -> NewTaxRate:
    country, category, rate, day = (row[name] or "" for name in _COLUMNS)
    if "" in row:
        raise ValueError("it has more cells than the first line")
    if not is_country(country):
        raise ValueError(f"the country {COUNTRY_RULE}")
    if category not in RATED:
        raise ValueError(f"the category must be one of: {', '.join(RATED)}")
    try:
        found = parse_decimal(rate, maximum=_MOST, places=MAX_RATE_PLACES)
    except ValueError as error:
        raise ValueError(f"the rate {error}") from None
    try:
        return NewTaxRate(country=country, category=category, rate=found, effective_from=read_day(day))
    except ValueError:
        raise ValueError("effectiveFrom must be a day such as 2026-01-31") from None
