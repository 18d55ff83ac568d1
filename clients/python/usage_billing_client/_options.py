"""What a client is made with: the address, the key, where to keep what cannot be sent, and the fine tuning."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from usage_billing_client._transport import Target

_PYTEST = {"PYTEST_VERSION", "PYTEST_CURRENT_TEST"}  # what pytest tells its tests, and the programs they start

OnRefused = Callable[[Mapping[str, Any], Mapping[str, Any]], None]
"""Called with the recording as it was sent and with why: ``{status, code, detail, errors}``."""

OnAccepted = Callable[[Mapping[str, Any], str], None]
"""Called with a recording as it was sent, and the id under which it can be looked up."""


@dataclass(frozen=True)
class Tuning:
    """Numbers that seldom need a change. Seconds and bytes.

    ``linger``: how long a recording waits for others to fill its request. ``patience``: failures in a row after
    which the service counts as away and recordings go to the file. ``max_waiting`` and ``max_waiting_bytes``
    bound what is held in memory, ``spill_bytes`` what is kept in files by one process.
    """

    linger: float = 0.2
    max_events: int = 1000
    max_request_bytes: int = 1_000_000  # just below the megabyte that many a gateway allows
    max_waiting: int = 10_000
    max_waiting_bytes: int = 16 * 1024 * 1024
    timeout: float = 10.0
    backoff_base: float = 0.2
    backoff_cap: float = 30.0
    patience: int = 4
    misconfigured_pause: float = 30.0
    spill_bytes: int = 256 * 1024 * 1024
    segment_bytes: int = 4 * 1024 * 1024
    adopt_every: float = 15.0
    exit_timeout: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be more than 0")


@dataclass(frozen=True)
class Setup:
    """Everything that a client is made with, checked."""

    target: Target
    headers: Mapping[str, str]
    folder: Path | None
    source: str = ""
    write_ahead: bool | None = None
    fsync: bool = False
    on_accepted: OnAccepted | None = None
    on_refused: OnRefused | None = None
    tls: ssl.SSLContext | None = None
    tuning: Tuning = Tuning()

    def with_calls(
        self,
        *,
        on_accepted: OnAccepted | None,
        on_refused: OnRefused | None,
        tls: ssl.SSLContext | None,
        tuning: Tuning,
    ) -> Setup:
        """The setup with what it calls, how it connects, and its numbers."""
        return dataclasses.replace(self, on_accepted=on_accepted, on_refused=on_refused, tls=tls, tuning=tuning)

    def with_key(self, api_key: str) -> Setup:
        """The setup of the same client with another key; raises ValueError for one that cannot be a key."""
        headers = headers_for(api_key)
        base = self.folder.parent if self.folder is not None else False
        folder = spill_folder(base, target=self.target, api_key=api_key, source=self.source)
        return dataclasses.replace(self, headers=headers, folder=folder)


def read_setup(
    url: str,
    *,
    api_key: str,
    spill: bool | str | os.PathLike[str],
    source: str,
    write_ahead: bool | None,
    fsync: bool,
) -> Setup:
    """The setup of a client; raises ValueError for what cannot be."""
    if write_ahead and spill is False:
        raise ValueError("write_ahead needs a folder: spill must not be False")
    target = Target.read(url)
    return Setup(
        target=target,
        headers=headers_for(api_key),
        folder=spill_folder(spill, target=target, api_key=api_key, source=source),
        source=source,
        write_ahead=write_ahead,
        fsync=fsync,
    )


def headers_for(api_key: str) -> dict[str, str]:
    """The headers of each request; raises ValueError for a key that cannot be one."""
    key = api_key.strip()  # keys are often read from files that end with a line break
    if not key or not key.isascii() or not key.isprintable():
        raise ValueError("the api_key is empty or holds characters that no key has")
    return {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "usage-billing-client-python",
        "x-api-key": key,
    }


def spill_folder(spill: bool | str | os.PathLike[str], *, target: Target, api_key: str, source: str) -> Path | None:
    """Where recordings are kept that cannot be sent; None for nowhere.

    It is a folder for each address, key and source, so that a recording never goes out with another key than the one
    it was made with. It lies below ``spill``; with True below ``USAGE_BILLING_SPILL`` or the user's state folder, but
    nowhere if that says ``off``, or under pytest: tests leave nothing that a service could find later.
    """
    base = _spill_base(spill)
    if base is None:
        return None
    sender = json.dumps([dataclasses.astuple(target), api_key.strip(), source])
    return base.absolute() / hashlib.sha256(sender.encode()).hexdigest()[:16]


def _spill_base(spill: bool | str | os.PathLike[str]) -> Path | None:
    if spill is False:
        return None
    if spill is not True:
        return Path(spill)
    named = os.environ.get("USAGE_BILLING_SPILL")
    if named:
        return None if named == "off" else Path(named)
    if _PYTEST & os.environ.keys():
        return None
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:  # a user without a home
        return None
    return Path(state) / "usage-billing-client"
