"""Says what recordings take of the disk in one build, in a process of its own.

``python benchmarks/sizes.py SUBSCRIPTIONS`` in the folder of any build that has ``benchmarks``. Reads lines
``NUMBER BATCH`` from standard input, records so many and answers each with a line of JSON: how many bytes their table
(``table``) and each of its indexes (its name) take for each recording in the books.
"""

import json
import sys
from pathlib import Path

_PARTS = """
    SELECT 'table', pg_table_size('usage')
    UNION ALL
    SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = 'usage'::regclass
"""


def main() -> None:
    """Serve until standard input ends."""
    # This file may belong to another build than the measured one, so it imports from the current folder alone.
    sys.path[0] = str(Path.cwd())
    from benchmarks.batches import record
    from benchmarks.machine import machine

    subscriptions = int(sys.argv[1])
    with machine() as made:
        made.subscribe(subscriptions)
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            number, batch = map(int, line.split())
            record(made, number, batch=batch, subscriptions=subscriptions)
            made.vacuum()
            parts = made.sql(_PARTS)
            print(json.dumps({name: size / made.recorded() for name, size in sorted(parts)}), flush=True)


if __name__ == "__main__":
    main()
