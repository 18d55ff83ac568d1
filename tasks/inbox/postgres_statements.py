"""The statements of the inbox on PostgreSQL; each runs in a transaction of its own."""

from typing import LiteralString

APPEND: LiteralString = """
INSERT INTO inbox_entries (shard, count, data)
SELECT * FROM unnest(%s::integer[], %s::integer[], %s::bytea[])
"""

# The oldest entries of a shard. octet_length of a value that is stored out of line does not fetch the value.
READ: LiteralString = """
SELECT id, data, count FROM (
    SELECT id, data, count, sum(count) OVER before AS recordings, sum(octet_length(data)) OVER before AS bytes
    FROM (
        SELECT id, data, count FROM inbox_entries WHERE shard = %(shard)s ORDER BY id LIMIT %(recordings)s
    ) AS oldest
    WINDOW before AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS counted
WHERE coalesce(recordings, 0) < %(recordings)s AND coalesce(bytes, 0) < %(bytes)s ORDER BY id
"""

# Wakes those of the shards that are asleep, and returns them. It reads before it writes: nearly always the shard is
# awake, and then the statement locks nothing.
WAKE: LiteralString = """
INSERT INTO inbox_shards AS s (shard, awake_until)
SELECT asleep.shard, now() + make_interval(secs => CASE
    WHEN (SELECT appended_at FROM inbox_entries AS e WHERE e.shard = asleep.shard ORDER BY id LIMIT 1)
        < now() - make_interval(secs => %(idle_after)s) THEN %(idle_seconds)s ELSE %(seconds)s END)
FROM unnest(%(shards)s::integer[]) AS asleep (shard)
WHERE NOT EXISTS (SELECT FROM inbox_shards AS a WHERE a.shard = asleep.shard AND a.awake_until > now())
ORDER BY asleep.shard
ON CONFLICT (shard) DO UPDATE SET awake_until = excluded.awake_until WHERE s.awake_until <= now()
RETURNING shard
"""

# Counts a try. The tries go on when the first entry is the same as last time, or '*', which stands for any.
TAKE: LiteralString = """
INSERT INTO inbox_shards AS s (shard, awake_until, first, tries)
VALUES (%(shard)s, now() + make_interval(secs => %(seconds)s), %(first)s, 1)
ON CONFLICT (shard) DO UPDATE SET awake_until = excluded.awake_until, first = excluded.first,
    tries = CASE WHEN s.first IN (excluded.first, '*') THEN s.tries + 1 ELSE 1 END
RETURNING tries, suspect
"""

TRY_ALONE: LiteralString = "UPDATE inbox_shards SET suspect = %(what)s WHERE shard = %(shard)s"

FORGIVE: LiteralString = "UPDATE inbox_shards SET first = '', tries = 0, suspect = '' WHERE shard = %(shard)s"

NAP: LiteralString = """
UPDATE inbox_shards SET awake_until = now() + make_interval(secs => %(seconds)s) WHERE shard = %(shard)s
"""

# While a drain is searching, 'first' becomes '*', so that the tries count for the next entry too.
DELETE: LiteralString = """
WITH gone AS (DELETE FROM inbox_entries WHERE shard = %(shard)s AND id = ANY(%(ids)s))
UPDATE inbox_shards SET suspect = '', first = CASE WHEN %(searching)s AND first <> '' THEN '*' ELSE '' END,
    tries = CASE WHEN %(searching)s THEN tries ELSE 0 END
WHERE shard = %(shard)s
"""

REST: LiteralString = """
UPDATE inbox_shards SET awake_until = '-infinity'
WHERE shard = %(shard)s AND NOT EXISTS (SELECT FROM inbox_entries WHERE shard = %(shard)s)
"""

SOMETHING: LiteralString = "SELECT EXISTS (SELECT FROM inbox_entries WHERE shard = %(shard)s)"

FILLED: LiteralString = """
SELECT shard FROM generate_series(0, %(shards)s - 1) AS s (shard)
WHERE EXISTS (SELECT FROM inbox_entries AS e WHERE e.shard = s.shard)
"""

# Wakes and returns the shards with a late entry. A wake-up that ends later than a usual one is an idle one: it does not
# keep the sweep from waking.
OVERDUE: LiteralString = """
INSERT INTO inbox_shards AS s (shard, awake_until)
SELECT late.shard, now() + make_interval(secs => %(seconds)s) FROM generate_series(0, %(shards)s - 1) AS late (shard)
WHERE (SELECT appended_at FROM inbox_entries AS e WHERE e.shard = late.shard ORDER BY id LIMIT 1) < %(before)s
ON CONFLICT (shard) DO UPDATE SET awake_until = excluded.awake_until
WHERE s.awake_until <= now() OR s.awake_until > now() + make_interval(secs => %(seconds)s)
RETURNING shard
"""

BACKLOG: LiteralString = """
SELECT coalesce(sum(count), 0) AS recordings, coalesce(sum(octet_length(data)), 0) AS size FROM inbox_entries
"""

OLDEST: LiteralString = """
SELECT min(appended_at) FROM generate_series(0, %(shards)s - 1) AS s (shard)
CROSS JOIN LATERAL (
    SELECT appended_at FROM inbox_entries AS e WHERE e.shard = s.shard ORDER BY id LIMIT 1
) AS first
"""

FIND: LiteralString = """
SELECT data FROM inbox_entries
WHERE appended_at BETWEEN %(earliest)s AND %(latest)s AND position(%(sought)s::bytea IN data) > 0
"""
