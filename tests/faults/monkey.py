"""Kills, pauses and cuts at random, all of it decided by the seed, and puts everything back on its feet.

It runs in the main thread: the kernel ends what a thread started when that thread ends.
"""

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.system import BROKER_DATABASE, SERVERS, System

LONGEST_PAUSE = 3.0


class Monkey:
    """``kills`` counts the processes ended by kill -9, once for each blow; ``blows`` counts every deed by its name."""

    def __init__(self, system: System, *, seed: int) -> None:
        self.system = system
        self.random = random.Random(seed)
        self.kills = 0
        self.blows: Counter[str] = Counter()
        services = [name for name in system.parts if name not in SERVERS]
        workers = [name for name in services if name.startswith("worker")]
        self._deeds: list[tuple[int, Callable[[], None]]] = [
            (6, lambda: self._kill_child("api")),
            (2, lambda: self._kill("api")),
            (6, lambda: self._kill_child(self.random.choice(workers))),
            (4, lambda: self._kill_main(self.random.choice(workers))),
            (2, lambda: self._kill(self.random.choice(workers))),
            (2, lambda: self._kill(self.random.choice([name for name in services if name.startswith("beat")]))),
            (6, lambda: self._kill("valkey")),
            (6, lambda: self._kill("postgres")),
            (6, lambda: self._pause(self.random.choice([*workers, "api", *SERVERS]))),
            (2, self._fill),
            (3, self._terminate),
            (2, self._flush_broker),
            (6 if system.proxied else 0, self._misbehave),
        ]

    def rage(self, seconds: float, *, every: float, kills: int) -> None:
        """Strike about once in ``every`` seconds, until there were so many ``kills``; then leave everything running."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or self.kills < kills:
            self.system.pick_up()
            self._rest(self.random.uniform(0.3, 1.7) * every)
            weights = [weight for weight, _ in self._deeds]
            self.random.choices(self._deeds, weights)[0][1]()
        self.calm()

    def calm(self) -> None:
        """Put everything back on its feet."""
        for proxy in self.system.proxies.values():
            proxy.tell("clear")
        for name in self.system.parts:
            self.system.resume(name)
        self.system.pick_up()

    def _kill(self, name: str) -> None:
        self._note(f"kill {name}", kill=bool(self.system.kill(name)))
        self._rest(self.random.uniform(0, 1.5))
        self.system.pick_up()

    def _kill_main(self, name: str) -> None:
        self._note(f"kill main of {name}", kill=bool(self.system.kill_main(name)))
        self._rest(self.random.uniform(0, 1.0))

    def _kill_child(self, name: str) -> None:
        self._note(f"kill child of {name}", kill=bool(self.system.kill_child(name, self.random.choice)))

    def _pause(self, name: str) -> None:
        self._note(f"pause {name}")
        self.system.pause(name)
        # A process that is stopped cannot answer; others that wait for it shall not wait for long.
        self._rest(self.random.uniform(0.3, 1.5 if name == "api" else LONGEST_PAUSE))
        self.system.resume(name)

    def _fill(self) -> None:
        """Stop all drains for a while: the backlog grows until it is full."""
        self._note("fill the backlog")
        for name in self.system.parts:
            if name.startswith("worker"):
                self.system.pause(name)
        self._rest(LONGEST_PAUSE)
        for name in self.system.parts:
            self.system.resume(name)

    def _terminate(self) -> None:
        """The orderly end of a worker and a new one: a rolling restart's step."""
        self._note("restart worker")
        self.system.parts["worker"].stop()
        self.system.parts["worker"].start()

    def _flush_broker(self) -> None:
        self._note("flush the broker")
        client = self.system.redis(BROKER_DATABASE)
        client.flushdb()
        client.close()

    def _misbehave(self) -> None:
        name = self.random.choice(list(self.system.proxies))
        word = self.random.choice(["cut", "cut-answers", "swallow-answers", "delay 0.15"])
        self._note(f"{word} before {name}")
        self.system.proxies[name].tell(word)
        self._rest(self.random.uniform(0.2, 1.5))
        self.system.proxies[name].tell("clear")

    def _rest(self, seconds: float) -> None:
        time.sleep(seconds)

    def _note(self, deed: str, *, kill: bool = False) -> None:
        self.kills += kill
        self.blows[deed] += 1
        self.system.say("MONKEY", deed)
