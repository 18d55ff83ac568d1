"""The folder in which the processes of the API keep their figures for each other (PROMETHEUS_MULTIPROC_DIR).

Each process has files of its own, named by its process id. When a process has ended, its counts are added to the
archive and its files deleted, so that the folder does not grow with every restart. The folder belongs to one machine.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SUMMED = ("counter", "histogram", "summary")
_ARCHIVE = 0  # no process has this id


def folder() -> Path | None:
    """The folder, if there is one."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else None


def make_folder() -> None:
    """Make the folder if it is named and not there; it is for the service alone. Raises OSError."""
    place = folder()
    if place is not None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def locked(place: Path, *, alone: bool) -> Iterator[None]:
    """While this lasts no process folds the figures; with ``alone`` none reads them either."""
    with (place / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def fold_the_dead() -> None:
    """Add the counts of processes that have ended to the archive, and delete their files. Does nothing without a
    folder."""
    place = folder()
    if place is None or not place.is_dir():
        return
    with locked(place, alone=True):
        dead = [file for file in sorted(place.glob("*.db")) if not _lives(_process_of(file))]
        for kind in _SUMMED:
            _fold(place / f"{kind}_{_ARCHIVE}.db", [file for file in dead if file.name.startswith(f"{kind}_")])
        for file in dead:
            file.unlink(missing_ok=True)


def _process_of(file: Path) -> int:
    number = file.stem.rpartition("_")[2]
    return int(number) if number.isdigit() else _ARCHIVE


def _lives(process: int) -> bool:
    if process == _ARCHIVE:
        return True
    with suppress(ProcessLookupError):
        try:
            os.kill(process, 0)
        except PermissionError:  # it is another user's
            return True
        return True
    return False


def _fold(archive: Path, files: list[Path]) -> None:
    """Write the sum of ``archive`` and ``files`` in the place of ``archive``, in one step."""
    if not files:
        return
    sums: dict[str, float] = {}
    for file in [archive, *files]:
        if file.exists():
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                sums[key] = sums.get(key, 0.0) + value
    fresh = archive.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    fresh.replace(archive)
