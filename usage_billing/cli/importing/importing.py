"""``usage-billing import``: record usage from a file, the whole of it or nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy import Engine, text

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import byte_progress, json_option, print_json, tell
from usage_billing.cli.importing.import_file import CSV, JSONL, Line, digest_of, format_of, read_lines
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import InvalidInput, Unavailable
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.import_usage import BATCH, FileName, ImportOutcome, import_batch
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import parse_recording

_LISTED = 20


@dataclass(slots=True)
class _Bad:
    """Lines that are no recordings: how many, and the first of them with their reasons."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < _LISTED:
            self.first.append((number, reason))


@dataclass(frozen=True, slots=True)
class _Source:
    """An open file and how its lines are read at ``now``."""

    file: BinaryIO
    kind: str
    name: FileName
    now: datetime

    def recordings(self, bad: _Bad, advance: Callable[[int], None]) -> Iterator[Recording]:
        """Every good line; the others are added to ``bad``. ``advance`` is told how many bytes were read."""
        for line in read_lines(self.file, self.kind):
            advance(line.position)
            try:
                yield self._recording(line)
            except InvalidInput as error:
                reasons = [f"{wrong.pointer.strip('/')} {wrong.message}" for wrong in error.fields]
                bad.add(line.number, "; ".join(reasons) or error.message)

    def _recording(self, line: Line) -> Recording:
        if line.fields is None:
            raise InvalidInput(line.problem)
        return parse_recording(
            line.fields,
            id=self.name.record_id(line.number),
            received_at=self.now,
            default_key=self.name.key(line.number),
        )


@click.command(epilog=example("import usage.csv", "import usage.jsonl --skip-bad"))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
@click.option("--format", "kind", type=click.Choice([CSV, JSONL]), help="Unless the name of the file says it.")
@click.option("--skip-bad", is_flag=True, help="Record the good lines where others are bad.")
@json_option
def command(*, file: Path, kind: str | None, skip_bad: bool, as_json: bool) -> None:
    """Record the usage in FILE: CSV with a header, or one JSON object a line.

    Fields as on the wire: userId, subscriptionId, usageType, quantity, and if wanted metadata (JSON), timestamp,
    idempotencyKey, source. Importing a file twice records nothing twice; a file that was changed is another one, and
    its lines without an idempotencyKey count again. Exits 1 if lines were quarantined or skipped.
    """
    with connected() as (_, engine), file.open("rb") as handle:
        with read_only(engine) as session:  # before a long check: is the database there, and migrated?
            session.execute(text("SELECT FROM usage LIMIT 0"))
        source = _Source(handle, format_of(file, kind), FileName(digest_of(handle)), utc_now())
        bad = _check(source, size=file.stat().st_size)
        for number, reason in bad.first:
            tell(f"line {number}: {reason}")
        if bad.count and not skip_bad:
            raise InvalidInput(f"{bad.count} lines are bad, nothing was recorded; --skip-bad records the others")
        imported = _record(engine, source, size=file.stat().st_size)
    _report(imported, bad, as_json=as_json)


def _check(source: _Source, *, size: int) -> _Bad:
    bad = _Bad()
    with byte_progress() as bar:
        task = bar.add_task("checking", total=size)
        for _ in source.recordings(bad, lambda position: bar.update(task, completed=position)):
            pass
    return bad


def _record(engine: Engine, source: _Source, *, size: int) -> ImportOutcome:
    total, batch = ImportOutcome(), list[Recording]()
    with byte_progress() as bar:
        task = bar.add_task("recording", total=size)
        for recording in source.recordings(_Bad(), lambda position: bar.update(task, completed=position)):
            batch.append(recording)
            if len(batch) == BATCH:
                _record_batch(engine, source, batch, total)
                batch = []
        if batch:
            _record_batch(engine, source, batch, total)
    return total


def _record_batch(engine: Engine, source: _Source, batch: list[Recording], total: ImportOutcome) -> None:
    try:
        with transaction(engine) as session:
            total.add(import_batch(session, batch, name=source.name, actor=actor(), now=utc_now()))
    except Unavailable as error:
        raise Unavailable(
            f"{error.message}; {total.recorded} lines are recorded: import the file again, none is recorded twice"
        ) from error


def _report(imported: ImportOutcome, bad: _Bad, *, as_json: bool) -> None:
    counts = {
        "recorded": imported.recorded,
        "duplicates": imported.duplicates,
        "quarantined": imported.quarantined,
        "skipped": bad.count,
    }
    if as_json:
        bad_lines = [{"line": number, "reason": reason} for number, reason in bad.first]
        print_json({**counts, "badLines": bad_lines})
    else:
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()))
        if imported.quarantined:
            tell("usage-billing quarantine list shows what could not be counted, and why.")
    if bad.count and imported.recorded:
        tell(
            "Import the skipped lines, put right, from a file of their own: in this one, changed, lines without an"
            " idempotencyKey would count again."
        )
    if imported.quarantined or bad.count:
        raise click.exceptions.Exit(1)
