"""Times as they are spelled: RFC 3339 read to the microsecond, never rounded. Pure."""

import re
from contextlib import suppress
from datetime import date, datetime, timedelta

import msgspec

INSTANT = timedelta(microseconds=1)
"""From one instant to the next: times are kept to the microsecond."""

_DAY = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_FINER = re.compile(r"(?<=\.\d{6})\d+")
_LEAP = re.compile(r"([Tt ]\d\d:\d\d):60(?:\.\d+)?(?=[Zz+-])")
# The longest text, 2026-01-31T12:00:00.123456Z, that cannot spell an instant finer than a microsecond.
_SHORT = 27
_json = msgspec.json.Decoder(datetime)
_text = msgspec.json.Decoder(str)


def read_day(text: str) -> date:
    """The day that ``text`` spells, such as 2026-01-31; raises ValueError."""
    if _DAY.fullmatch(text) is None:
        raise ValueError("is no day such as 2026-01-31")
    return date.fromisoformat(text)


def decode_instant(raw: bytes) -> datetime:
    """The time in a JSON text, as ``read_instant`` reads it, and most of them in a third of the time."""
    if len(raw) <= _SHORT + 2:
        with suppress(msgspec.ValidationError):
            return _json.decode(raw)
    return read_instant(_text.decode(raw))


def read_instant(text: str) -> datetime:
    """The time that ``text`` spells, aware if it carries an offset; raises ValueError.

    What is finer than a microsecond is cut: the last tenth of a microsecond of October is October. A leap second,
    ``23:59:60``, is the next second.
    """
    if len(text) > _SHORT:
        text = _FINER.sub("", text)
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        before, changed = _LEAP.subn(r"\1:59", text)
        if not changed:
            raise
        try:
            return msgspec.convert(before, datetime) + timedelta(seconds=1)
        except OverflowError as error:
            raise ValueError("lies beyond the calendar") from error
