"""What `up` prints when everything runs: the commands to type next, ready to be pasted."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

LAST = "Ctrl-C stops everything; the data stay."
SERVICE_KEY, ADMIN_KEY = "INTERNAL_API_KEY", "USAGE_BILLING_ADMIN_KEY"
# The founding document's call, with three more than the example plan's 50 assessments.
RECORDING = {
    "userId": "user123",
    "subscriptionId": "sub456",
    "usageType": "assessment",
    "quantity": 53,
    "metadata": {"reportId": "abc123"},
}


def first_steps(
    *,
    port: int,
    home: Path,
    logs: Path,
    database: str,
    example: bool,
    keys: Mapping[str, str],
    fresh: frozenset[str],
    flower: str | None = None,
    pages: bool = True,
) -> str:
    """The text. ``keys`` maps SERVICE_KEY and ADMIN_KEY to the keys that `up` made; those in ``fresh`` are shown,
    once. Keys that the operator gave are not in ``keys`` and never shown. The commands use the ``example``; where it is
    not in the database, the text names what makes a catalogue.
    """
    base = f"http://127.0.0.1:{port}"
    lines = ["", "usage-billing is running.", "", f"  API     {base}", f"  docs    {base}/api/docs"]
    if pages:
        lines.append(f"  pages   {base}/")
    if flower:
        lines.append(f"  Flower  {flower}")
    lines += [f"  logs    {logs}", f"  data    {home}", f"  on      {database}", ""]
    shown = SERVICE_KEY in keys and SERVICE_KEY in fresh
    file = home / "secrets.json"
    if shown:
        lines += [
            f"Two keys, shown this once; they are kept in {file}, for you alone to read:",
            "",
            f"  service (INTERNAL_API_KEY)        {keys[SERVICE_KEY]}",
            *([f"  admin (USAGE_BILLING_ADMIN_KEY)   {keys[ADMIN_KEY]}"] if ADMIN_KEY in keys else []),
            "",
        ]
    if not example:
        return "\n".join([*lines, *_without_example(), "", LAST]) + "\n"
    lines += ["Type this in another terminal.", ""]
    if SERVICE_KEY not in keys:
        key = f"${SERVICE_KEY}"
        lines += [f"  # with {SERVICE_KEY} as it was given to this one", ""]
    elif shown:
        key = keys[SERVICE_KEY]
    else:
        key = "$KEY"
        lines += ["  # the key of the first start", f"  {read_key(file, SERVICE_KEY)}", ""]
    return "\n".join(lines + _commands(base, key)) + "\n"


def read_key(file: Path, name: str) -> str:
    """A shell command that puts a key of ``secrets.json`` into ``$KEY``."""
    return f"""KEY=$(sed -n 's/.*"{name}": "\\(.*\\)".*/\\1/p' {shlex.quote(str(file))})"""


def _without_example() -> list[str]:
    return [
        "There is no example in this database. These make a catalogue (docs/operations.md has examples):",
        "",
        *(f"  usage-billing {noun} create --help" for noun in ("customers", "plans", "usage-types", "quotas")),
        "  usage-billing subscriptions create --help",
    ]


def _commands(base: str, key: str) -> list[str]:
    credential, as_json = f'-H "x-api-key: {key}"', '-H "Content-Type: application/json"'
    invoices = f"{base}/api/invoices?subscriptionId={RECORDING['subscriptionId']}"
    return [
        "  # record 53 assessments; the example plan includes 50",
        f"  curl -sS -X POST {base}/api/usage/record \\",
        f"    {credential} {as_json} \\",
        f"    -d '{json.dumps(RECORDING)}'; echo",
        "",
        "  # bill what is due, as beat does every day",
        f"  curl -sS -X POST {base}/api/usage/process-billing \\",
        f"    {credential} {as_json} -d '{{}}'; echo",
        "",
        "  # see the invoice, then what is on it",
        f"  curl -sS '{invoices}' \\",
        f"    {credential}; echo",
        f"  curl -sS {base}/api/invoices/$(curl -sS '{invoices}' \\",
        f'    {credential} | grep -o \'"id": *"[^"]*"\' | head -n 1 | cut -d \'"\' -f 4) \\',
        f"    {credential}; echo",
        "",
        LAST,
    ]
