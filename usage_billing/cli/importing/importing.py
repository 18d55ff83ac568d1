"""``usage-billing import``: record usage from a file, the whole of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import connected
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.cli.importing.formats import CSV, JSONL, format_of
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import InvalidInput

if TYPE_CHECKING:
    from usage_billing.cli.importing.record_file import BadLines
    from usage_billing.flows.recording.import_usage import ImportOutcome


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
    from sqlalchemy import text

    from usage_billing.cli.importing.import_file import digest_of
    from usage_billing.cli.importing.record_file import Source, check_file, record_file
    from usage_billing.db.session import read_only
    from usage_billing.flows.recording.import_usage import FileName

    with connected() as (_, engine), file.open("rb") as handle:
        with read_only(engine) as session:  # before a long check: is the database there, and migrated?
            session.execute(text("SELECT FROM usage LIMIT 0"))
        source = Source(handle, format_of(file, kind), FileName(digest_of(handle)), utc_now())
        bad = check_file(source, size=file.stat().st_size)
        for number, reason in bad.first:
            tell(f"line {number}: {reason}")
        if bad.count and not skip_bad:
            raise InvalidInput(f"{bad.count} lines are bad, nothing was recorded; --skip-bad records the others")
        imported = record_file(engine, source, size=file.stat().st_size)
    _report(imported, bad, as_json=as_json)


def _report(imported: ImportOutcome, bad: BadLines, *, as_json: bool) -> None:
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
        raise click.exceptions.Exit(ExitCode.FINDINGS)
