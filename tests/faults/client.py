"""A client that records at full speed and writes down what it was told: ``python -m tests.faults.client CONFIG``.

Everything is decided by the seed. What was answered 202 is kept apart from what had no answer; that is sent again,
the same key, until it has one. Lines of the journal are JSON: ``sent``, ``ack``, ``bad`` and ``slow``, and at the end
one ``stats``.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SLOW_SECONDS = 5.0
PATIENCE = 10.0
REFUSALS = {429, 503}
ACCEPTED = 202
QUANTITIES = ("1", "2", "0.5", "3.25", "0.000000000001")
MONTHS = ((2026, 8), (2026, 9), (2026, 10), (2026, 11))


class Journal:
    """The lines of all threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.worst = 0.0
        self.worst_accepted = 0.0

    def write(self, **line: Any) -> None:
        """Add one line."""
        with self._lock:
            self._file.write(json.dumps(line) + "\n")

    def answered(self, status: int | str, seconds: float) -> None:
        """Count an answer, or the lack of one by its reason."""
        with self._lock:
            self.answers[str(status)] += 1
            self.worst = max(self.worst, seconds)
            if status == ACCEPTED:
                self.worst_accepted = max(self.worst_accepted, seconds)
        if seconds > SLOW_SECONDS:
            self.write(t="slow", status=status, seconds=round(seconds, 2), at=time.strftime("%H:%M:%S"))

    def close(self) -> None:
        """The last line."""
        self.write(
            t="stats", answers=dict(self.answers), worst=round(self.worst, 3), accepted=round(self.worst_accepted, 3)
        )
        self._file.close()


class Sender(threading.Thread):
    """One thread with one connection."""

    def __init__(self, number: int, config: dict[str, Any], journal: Journal) -> None:
        super().__init__(name=f"sender {number}")
        self.config, self.journal = config, journal
        self.random = random.Random(f"{config['seed']}/{config['name']}/{number}")
        self.prefix = f"{config['seed']}-{config['name']}-{number}"
        self.count = 0
        self.acknowledged: list[dict[str, Any]] = []
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Send until the stop file is there, then what is still without an answer for a while."""
        stop = Path(self.config["stop"])
        while not stop.exists():
            if self.random.random() < self.config["batches"]:
                self._deliver([self._event() for _ in range(self.random.randint(5, 40))])
            else:
                self._deliver([self._event()])
            if self.config["pause"]:
                time.sleep(self.random.random() * 2 * self.config["pause"])

    def _event(self) -> dict[str, Any]:
        dice = self.random.random()
        if dice < 0.03 and self.acknowledged:
            again = dict(self.random.choice(self.acknowledged[-500:]))
            if dice < 0.01:
                return again | {"kind": "conflict", "quantity": "7"}
            return again | {"kind": "repeat"}
        self.count += 1
        number = self.random.randrange(self.config["subscriptions"])
        year, month = self.random.choice(MONTHS)
        at = datetime(year, month, self.random.randint(1, 20), self.random.randrange(24), tzinfo=UTC)
        event = {
            "kind": "good",
            "userId": f"user{number}",
            "subscriptionId": f"sub{number}",
            "usageType": self.random.choice(("report", "assessment", "analysis")),
            "quantity": self.random.choice(QUANTITIES),
            "timestamp": at.isoformat(),
            "idempotencyKey": f"{self.prefix}-{self.count}",
        }
        if dice > 0.995:
            event |= {"kind": "wrong", "usageType": "teleport"}
        elif dice > 0.99:
            event |= {"kind": "wrong", "userId": "nobody"}
        return event

    def _deliver(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.journal.write(t="sent", **event)
        bodies = [{name: value for name, value in event.items() if name != "kind"} for event in events]
        path, body = "/api/usage/record/batch", {"events": bodies}
        if len(events) == 1:
            path, body = "/api/usage/record", bodies[0]
        gives_up = time.monotonic() + self.config["patience"]
        while time.monotonic() < gives_up:
            status, answer = self._ask(path, json.dumps(body).encode())
            if status == 202:
                ids = answer["ids"] if "ids" in answer else [answer["id"]]
                for event, record_id in zip(events, ids, strict=True):
                    self.journal.write(t="ack", key=event["idempotencyKey"], kind=event["kind"], id=record_id)
                    if event["kind"] == "good":
                        self.acknowledged.append(event)
                return
            if status not in {*REFUSALS, 0}:
                self.journal.write(t="bad", status=status, answer=answer)
                return
            time.sleep(0.05 + self.random.random() * 0.3)

    def _ask(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer; 0 when there was none."""
        started = time.monotonic()
        headers = {"Content-Type": "application/json", "x-api-key": self.config["key"]}
        try:
            if self.connection is None:
                parts = urlsplit(self.config["url"])
                self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
            self.connection.request("POST", path, body, headers)
            response = self.connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.connection is not None:
                self.connection.close()
                self.connection = None
            self.journal.answered(type(error).__name__, time.monotonic() - started)
            return 0, {}
        self.journal.answered(response.status, time.monotonic() - started)
        if response.status in REFUSALS and not (response.headers.get("Retry-After") or "").isdigit():
            self.journal.write(t="bad", status=response.status, answer="there is no Retry-After")
        return response.status, answer


def main(config: dict[str, Any]) -> None:
    """Run until told to stop."""
    journal = Journal(Path(config["journal"]))
    senders = [Sender(number, config, journal) for number in range(config["threads"])]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    journal.close()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
