"""What a client is made with: the address, the key, where to keep what cannot be sent, and the fine tuning."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from usage_billing_client._transport import Target

OnRefused = Callable[[Mapping[str, Any], Mapping[str, Any]], None]
"""Called with the recording as it was sent and with why: ``{status, code, detail, errors}``."""


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
    write_ahead: bool = False
    fsync: bool = False
    on_refused: OnRefused | None = None
    tls: ssl.SSLContext | None = None
    tuning: Tuning = Tuning()


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


def spill_folder(spill: bool | str | os.PathLike[str], *, url: str, source: str) -> Path | None:
    """Where recordings are kept that cannot be sent; None for nowhere.

    With ``spill`` True it is a folder for each service and source below ``USAGE_BILLING_SPILL`` or the user's state
    folder, so that a sender's recordings never go out with another sender's key.
    """
    if spill is False:
        return None
    if spill is not True:
        return Path(spill).absolute()
    base = os.environ.get("USAGE_BILLING_SPILL")
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:  # a user without a home
        state = None
    if not base and state is None:
        return None
    mark = hashlib.sha256(f"{url}\n{source}".encode()).hexdigest()[:12]
    return (Path(base) if base else Path(state or "") / "usage-billing-client").absolute() / mark
