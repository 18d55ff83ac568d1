"""Random histories of all that changes what is due, charged by the product's rules in memory and by the slow model.

``MONEY_HISTORIES=10000`` tells so many (100), from the seed ``MONEY_HISTORIES_FROM`` (0) on. A seed that goes wrong is
told again with fewer steps until each of them is needed.
"""

import os
import time
from collections import Counter

from tests.money.history import History, fault_of, histories, shortest

NUMBER = int(os.environ.get("MONEY_HISTORIES", "100"))
FIRST = int(os.environ.get("MONEY_HISTORIES_FROM", "0"))
MOST_SHOWN = 3
KINDS = {
    *(f"plan {when}" for when in ("now", "period_end", "past", "future")),
    *(f"pause {when}" for when in ("now", "period_end", "past", "future")),
    *(f"plan quota {how}" for how in ("next_period", "period", "now", "start", "instant")),
    *(f"own quota {how}" for how in ("next_period", "now", "start", "instant")),
    *(f"fee {how}" for how in ("next_period", "now", "instant")),
    "resume now",
    "end now",
    "plan taken back",
    "start moved",
    "own quotas ended by a move",
    "own fee ended by a move",
    "usage after it taken back",
    "invoice void",
}
"""What happens in a hundred histories at the least."""


def test_what_is_charged_is_what_is_due_in_every_history() -> None:
    began, comparisons, kinds, wrong = time.monotonic(), 0, Counter[str](), dict[int, str]()
    for seed, world, steps in histories(FIRST, NUMBER):
        history = History(world)
        try:
            history.tell(steps)
        except Exception:
            needed = shortest(world, steps) if len(wrong) < MOST_SHOWN else steps
            wrong[seed] = f"{fault_of(world, needed)}\n{world}\n{needed}"
        comparisons += history.comparisons
        kinds.update(history.kinds)
        if (seed + 1) % 1000 == 0:
            print(f"{seed + 1 - FIRST} histories, {len(wrong)} wrong, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{NUMBER} histories, {comparisons} comparisons, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    print(", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())))
    assert not wrong, "\n\n".join(f"seed {seed}: {fault}" for seed, fault in list(wrong.items())[:MOST_SHOWN])
    assert kinds.keys() >= KINDS or NUMBER < 100, KINDS - kinds.keys()
