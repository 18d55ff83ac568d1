"""The file ``manifest.json`` of a backup: what is in the folder, by which versions, with which digests.

It is written last, so a folder without it is no backup.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.embedded.files import write_private

NAME, DUMP, INBOX = "manifest.json", "database.dump", "inbox.jsonl"
FORMAT = 1
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    ``schema`` is the database's revision; ``server`` PostgreSQL's version number, such as 180001; ``tables`` how many
    tables were dumped; ``inbox`` the kind of inbox, of which ``waiting`` recordings were copied; ``secret`` tells one
    USAGE_BILLING_SECRET from another and gives none away; ``files`` has size in bytes and SHA-256 of each file.
    """

    format: int
    version: str
    schema: str
    server: int
    tables: int
    inbox: str
    waiting: int
    secret: str
    started_at: str
    files: Mapping[str, Mapping[str, Any]]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a backup of ``folder``."""
    write_private(folder / NAME, json.dumps(asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of ``folder``, all of whose files are as it says; raises InvalidInput when one is not."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        manifest = Manifest(**{item.name: found[item.name] for item in fields(Manifest)})
    except (OSError, ValueError, TypeError, KeyError):
        raise InvalidInput(f"{folder} is no whole backup: it has no readable {NAME}") from None
    if manifest.format != FORMAT:
        raise InvalidInput(f"{folder} is a backup of form {manifest.format}, which this version does not read")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != expected:
            raise InvalidInput(f"{path} is not as {NAME} says: the backup is damaged")
    return manifest


def digest_of(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def mark_of(secret: str) -> str:
    """Eight bytes in hexadecimal that tell one secret from another; '' for none."""
    return hashlib.sha256(f"usage-billing backup\n{secret}".encode()).hexdigest()[:16] if secret else ""
