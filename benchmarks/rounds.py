"""Measures one build in a process of its own: records a round for each line that it reads.

``python benchmarks/rounds.py SUBSCRIPTIONS`` in the folder of any build that has ``benchmarks``. Reads lines
``NUMBER BATCH`` from standard input; answers each with a line of JSON: ``seconds`` by the clock and ``cpu``,
seconds of CPU of all its processes together.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Serve rounds until standard input ends."""
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
            spent = record(made, number, batch=batch, subscriptions=subscriptions)
            print(json.dumps({"seconds": spent.seconds, "cpu": sum(spent.cpu.values())}), flush=True)


if __name__ == "__main__":
    main()
