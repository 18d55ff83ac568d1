"""Client processes that record at full speed, and what they were told."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.faults.system import SERVICE_KEY
from tests.faults.world import SUBSCRIPTIONS


@dataclass
class Told:
    """What the clients know. ``sent`` by key; ``acknowledged`` are (key, kind, id) in the order of the answers."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)
    bad: list[dict[str, Any]] = field(default_factory=list)
    slow: list[dict[str, Any]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0
    worst_accepted: float = 0.0

    def add(self, other: "Told") -> None:
        """What other clients know too."""
        self.sent |= other.sent
        self.acknowledged += other.acknowledged
        self.bad += other.bad
        self.slow += other.slow
        self.answers += other.answers
        self.worst = max(self.worst, other.worst)
        self.worst_accepted = max(self.worst_accepted, other.worst_accepted)

    def read(self, journal: Path) -> None:
        """Add the lines of one client."""
        for text in journal.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            kind = line.pop("t")
            if kind == "sent":
                if line["kind"] in {"good", "wrong"}:
                    self.sent[line["idempotencyKey"]] = line
            elif kind == "ack":
                self.acknowledged.append((line["key"], line["kind"], line["id"]))
            elif kind == "stats":
                self.answers.update(line["answers"])
                self.worst = max(self.worst, line["worst"])
                self.worst_accepted = max(self.worst_accepted, line["accepted"])
            else:
                getattr(self, kind).append(line)


class Load:
    """Clients that record until the block ends."""

    def __init__(
        self,
        home: Path,
        url: str,
        *,
        seed: int,
        processes: int = 2,
        threads: int = 6,
        batches: float = 0.1,
        pause: float = 0.0,
        patience: float = 30.0,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._stop = home / "stop-clients"
        self._journals = [home / f"client{number}.jsonl" for number in range(processes)]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.told = Told()
        for number, journal in enumerate(self._journals):
            config = {
                "name": f"c{number}",
                "seed": seed,
                "url": url,
                "key": SERVICE_KEY,
                "threads": threads,
                "batches": batches,
                "pause": pause,
                "patience": patience,
                "subscriptions": SUBSCRIPTIONS,
                "journal": str(journal),
                "stop": str(self._stop),
            }
            journal.with_suffix(".json").write_text(json.dumps(config), encoding="utf-8")

    def acknowledged(self) -> int:
        """About how many recordings were acknowledged so far."""
        return sum(journal.read_bytes().count(b'"t": "ack"') for journal in self._journals if journal.exists())

    def __enter__(self) -> "Load":
        for journal in self._journals:
            command = [sys.executable, "-m", "tests.faults.client", str(journal.with_suffix(".json"))]
            self._processes.append(subprocess.Popen(command))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.touch()
        for process in self._processes:
            try:
                assert process.wait(timeout=1 if kind else 90) == 0
            finally:
                process.kill()
        for journal in self._journals:
            self.told.read(journal)
