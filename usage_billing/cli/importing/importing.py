"""``usage-billing import``: record usage from a file, the whole of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from usage_billing.cli.frame.database import connected
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.cli.importing.formats import CSV, JSONL, Layout, layout_of, parse_delimiter, parse_names
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from usage_billing.cli.importing.source import BadLines, Checked, Source
    from usage_billing.flows.recording.import_usage import ImportOutcome
    from usage_billing.metering.spelling import IsMade


@click.command(
    epilog=example(
        "import usage.csv",
        "import usage.jsonl.gz --dry-run",
        "import export.csv --delimiter ';' --map 'customer=userId' --map 'comment='",
        "import - --format jsonl --skip-bad < usage.jsonl",
    )
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--format", "kind", type=click.Choice([CSV, JSONL]), help="Unless the name of the file says it.")
@click.option("--delimiter", help="Between the cells of a CSV file: one character, or `tab`. [default: ,]")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="COLUMN=FIELD",
    help="What COLUMN is; `COLUMN=` passes it over. Repeatable.",
)
@click.option("--source", type=IDENTIFIER, help="The source of rows that name none: equal rows of two are two facts.")
@click.option("--skip-bad", is_flag=True, help="Record the good lines where others are bad.")
@click.option("--dry-run", is_flag=True, help="Record nothing; count what is new, known, conflicting and bad.")
@json_option
def command(
    *,
    file: Path,
    kind: str | None,
    delimiter: str | None,
    pairs: tuple[str, ...],
    source: str | None,
    skip_bad: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Record the usage in FILE: CSV with a header, or one JSON object a line; compressed with gzip or not.
    `-` is standard input.

    Fields as on the wire: userId, subscriptionId, usageType, quantity, and if wanted metadata (JSON), timestamp,
    idempotencyKey, source. A usage type that makes quantities from metadata needs no quantity.

    A row is recorded once. A row without an idempotencyKey is known by its values and by how many equal rows stand
    before it in the file, so the file may be saved anew and grow. A row that has no timestamp either is known by the
    content of the whole file and its line: in a file that was changed it counts again.

    Exits 1 if lines were quarantined or skipped, or if --dry-run found bad ones or keys with other content.
    """
    from sqlalchemy import text

    from usage_billing.catalog.quantity_versions import types_that_make_quantities
    from usage_billing.cli.importing.opening import opened, size_of
    from usage_billing.db.session import read_only
    from usage_billing.metering.spelling import FIELDS

    given = None if delimiter is None else parse_delimiter(delimiter)
    layout = layout_of(file, kind=kind, delimiter=given, names=parse_names(pairs, FIELDS))
    with connected() as (_, engine), opened(file) as handle:
        with read_only(engine) as session:  # a missing database or table is told before the long check of the file
            session.execute(text("SELECT FROM usage LIMIT 0"))
            making = types_that_make_quantities(session)
        lines = _source(handle, size=size_of(handle), layout=layout, source=source or "", is_made=making.__contains__)
        try:
            checked = lines.check(rehearsing=dry_run)
        except KeyboardInterrupt:
            tell("stopped while the file was checked: nothing is recorded; import it again")
            raise
        for number, reason in checked.bad.first:
            tell(f"line {number}: {reason}")
        if dry_run:
            _rehearse(engine, lines, checked, as_json=as_json)
            return
        if checked.bad.count and not skip_bad:
            raise InvalidInput(
                f"{checked.bad.count} lines are bad, nothing was recorded; --skip-bad records the others"
            )
        _warn_of_numbers(checked)
        _record(engine, lines, checked, as_json=as_json)


def _source(handle: BinaryIO, *, size: int, layout: Layout, source: str, is_made: IsMade) -> Source:
    from usage_billing.cli.importing.lines import digest_of
    from usage_billing.cli.importing.source import Source
    from usage_billing.flows.recording.import_usage import FileName

    return Source(
        handle,
        size,
        layout,
        FileName(digest_of(handle)).read_as(*layout.differences(), *([source] if source else [])),
        utc_now(),
        source,
        is_made,
    )


def _warn_of_numbers(checked: Checked) -> None:
    if checked.by_number:
        tell(
            f"{checked.by_number} lines have neither timestamp nor idempotencyKey: they are known by this file and"
            " their line, so in a changed file they would count again."
        )


def _rehearse(engine: Engine, lines: Source, checked: Checked, *, as_json: bool) -> None:
    from usage_billing.cli.importing.record_file import rehearse_file

    found = rehearse_file(engine, lines, checked)
    span = [moment and moment.isoformat().replace("+00:00", "Z") for moment in (found.first, found.last)]
    if as_json:
        counts = {"new": found.new, "known": found.known, "conflicting": found.conflicting, "bad": checked.bad.count}
        print_json({**counts, "from": span[0], "to": span[1], "badLines": _listed(checked.bad)})
    else:
        when = f", used from {span[0]} to {span[1]}" if span[0] else ""
        click.echo(
            f"{found.new} new, {found.known} known, {found.conflicting} conflicting, {checked.bad.count} bad{when}"
        )
    _warn_of_numbers(checked)
    if checked.bad.count or found.conflicting:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _record(engine: Engine, lines: Source, checked: Checked, *, as_json: bool) -> None:
    from usage_billing.cli.importing.record_file import record_file

    imported, bad = record_file(engine, lines, checked), checked.bad
    _report(imported, bad, as_json=as_json)
    if bad.count and imported.recorded:
        tell(
            "Import the skipped lines, put right, from a file of their own: in this one, changed, lines without"
            " timestamp and idempotencyKey would count again."
            if checked.by_number
            else "Put the skipped lines right and import the file again: what is recorded is not counted twice."
        )
    if imported.quarantined or bad.count:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _report(imported: ImportOutcome, bad: BadLines, *, as_json: bool) -> None:
    counts = {
        "recorded": imported.recorded,
        "duplicates": imported.duplicates,
        "quarantined": imported.quarantined,
        "skipped": bad.count,
    }
    if as_json:
        print_json({**counts, "badLines": _listed(bad)})
        return
    click.echo(", ".join(f"{count} {name}" for name, count in counts.items()))
    if imported.quarantined:
        tell("usage-billing quarantine list shows what could not be counted, and why.")


def _listed(bad: BadLines) -> list[dict[str, object]]:
    return [{"line": number, "reason": reason} for number, reason in bad.first]
