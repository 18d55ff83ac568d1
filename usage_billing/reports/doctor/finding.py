"""The form of what a check finds."""

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    ``code`` is for programs (``database_unreachable``); ``cure`` says what to do, and is empty when all is well.
    """

    check: str
    state: str
    code: str
    message: str
    cure: str = ""


def fine(check: str, message: str) -> Finding:
    """The finding of a check that found nothing wrong."""
    return Finding(check, OK, "ok", message)


def listed(parts: list[str], *, most: int = 10) -> str:
    """Some of many: the first ``most``, and how many more there are."""
    more = f"; and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more
