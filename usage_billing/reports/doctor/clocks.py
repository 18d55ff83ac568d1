"""Do the clocks of all machines agree with the database's, by which everything is dated?"""

from datetime import timedelta

from usage_billing.db.clock import APART
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine

_NOTICEABLE = timedelta(seconds=5)
_CURE = "let both follow a time server (chrony, systemd-timesyncd)"


def compare_clocks(whose: str, ahead: timedelta) -> Finding:
    """What it means that a clock is ``ahead`` of the database's, or behind it if that is negative."""
    if abs(ahead) <= _NOTICEABLE:
        return fine("clock", f"{whose} clock and the database's agree")
    message = f"{whose} clock is {_words(ahead)} the database's"
    if abs(ahead) <= APART:
        return Finding("clock", WARN, "clock_skew", message, _CURE)
    return Finding("clock", FAIL, "clocks_apart", f"{message}: no run is started there, and nothing finalized", _CURE)


def compare_with_ours(whose: str, ahead: timedelta) -> Finding:
    """What it means that a clock by which nothing is dated is ``ahead`` of this machine's, or behind it."""
    if abs(ahead) <= _NOTICEABLE:
        return fine("clock", f"{whose} clock and this machine's agree")
    return Finding("clock", WARN, "clock_skew", f"{whose} clock is {_words(ahead)} this machine's", _CURE)


def _words(ahead: timedelta) -> str:
    return f"{abs(ahead).total_seconds():.0f} s {'ahead of' if ahead > timedelta(0) else 'behind'}"
