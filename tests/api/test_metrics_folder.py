"""The folder of several API processes' figures: the dead are folded into the archive, and no count is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api import metrics_folder

ROOT = Path(__file__).parents[2]
COUNTING = """
import sys
from prometheus_client import Counter, Gauge, Histogram
Counter("usage_billing_things", "Things.", ("kind",)).labels("a").inc(int(sys.argv[1]))
Histogram("usage_billing_seconds", "Seconds.", buckets=(1, 2)).observe(1.5)
Gauge("usage_billing_open", "Open.", multiprocess_mode="livesum").set(7)
"""
READING = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def run(code: str, place: Path, *arguments: str) -> str:
    """What a process prints that keeps its figures in ``place``."""
    environment = {**os.environ, metrics_folder.VARIABLE: str(place), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout


def figures(place: Path) -> set[str]:
    """The lines of the scrape but for comments."""
    return {line for line in run(READING, place).splitlines() if line and not line.startswith("#")}


def test_the_dead_are_folded_and_their_counts_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(metrics_folder.VARIABLE, str(tmp_path))
    for number in (1, 2):
        run(COUNTING, tmp_path, str(number))
    before = figures(tmp_path)
    assert 'usage_billing_things_total{kind="a"} 3.0' in before
    metrics_folder.fold_the_dead()
    assert sorted(file.name for file in tmp_path.glob("*.db")) == ["counter_0.db", "histogram_0.db"]
    assert figures(tmp_path) == {line for line in before if "usage_billing_open" not in line}
    run(COUNTING, tmp_path, "4")
    metrics_folder.fold_the_dead()
    metrics_folder.fold_the_dead()
    assert 'usage_billing_things_total{kind="a"} 7.0' in figures(tmp_path)
    assert 'usage_billing_seconds_bucket{le="2.0"} 3.0' in figures(tmp_path)


def test_a_process_that_lives_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(metrics_folder.VARIABLE, str(tmp_path))
    mine = tmp_path / f"counter_{os.getpid()}.db"
    mine.write_bytes(b"")
    metrics_folder.fold_the_dead()
    assert mine.exists()


def test_without_a_folder_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(metrics_folder.VARIABLE, raising=False)
    metrics_folder.fold_the_dead()
    monkeypatch.setenv(metrics_folder.VARIABLE, str(tmp_path / "nothing"))
    metrics_folder.fold_the_dead()
    assert list(tmp_path.iterdir()) == []
