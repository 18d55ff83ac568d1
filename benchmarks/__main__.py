"""``python -m benchmarks [NAME...]``: run benchmarks, print their figures and keep them in docs/performance.md."""

import argparse
import sys
import time
from importlib import import_module

from benchmarks.report import table, write

NAMES = ("single", "batches", "growth", "reads", "billing", "changes", "meters", "verify", "memory", "scale")
# Run only when named: they need a machine that nothing else uses.
NAMED = ("pages", "documents")
# As well, and no table is kept of them; `builds`, `disk` and `imports` measure this build beside another one, which the
# caller has ready.
ASKED_FOR = (*NAMED, "alerts", "beside", "builds", "disk", "foreign", "imports", "prepaid", "webhooks")


def main() -> int:
    """Run the benchmarks that the command line names; returns 0 when every bound held, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and compare with a yardstick.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES + ASKED_FOR))
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs; nothing is kept")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {*NAMES, *ASKED_FOR}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES + ASKED_FOR)}")
    held = True
    for name in chosen.names or NAMES:
        started = time.monotonic()
        figures = import_module(f"benchmarks.{name}").run(quick=chosen.quick)
        print(f"\n{name}\n{table(figures)}", flush=True)
        held = held and all(figure.held for figure in figures)
        if not chosen.quick and name in NAMES + NAMED:
            write(name, figures, took=time.monotonic() - started)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
