"""What a sender may attach to a recording: a JSON object, small, shallow, and storable. Pure."""

import re
from decimal import Decimal

import msgspec

from usage_billing.core.decimals import strip_zeros
from usage_billing.core.json_names import RepeatedName, check_names

EMPTY = "{}"
MAX_BYTES = 16 * 1024
MAX_DEPTH = 32

# The escape of the character NUL, which jsonb cannot hold. An escaped backslash before the letters u0000 is none.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_FAR = 100  # places between a number's first digit and the decimal point
_MAX_NUMBER = 128  # characters


class NotMetadata(ValueError):
    """The value cannot be kept as metadata; the message says why."""


def canonical_metadata(raw: bytes) -> str:
    """The JSON text of an object with sorted keys and no spaces: equal for equal content. Raises NotMetadata."""
    return EMPTY if raw == b"{}" else _canonical(raw, _read(raw))


def canonical_once(raw: bytes) -> str:
    """What ``canonical_metadata`` makes of ``raw``; raises NotMetadata also where an object in it has a name twice."""
    value = _read(raw)
    # Each member is spelled with a colon. With no more colons than the object has names, there are no other members.
    if raw.count(b":") != len(value):
        try:
            check_names(raw)
        except (RepeatedName, ValueError, RecursionError) as error:
            raise NotMetadata(str(error)) from None
    return _canonical(raw, value)


def _read(raw: bytes) -> dict[str, object]:
    if len(raw) > MAX_BYTES:
        raise NotMetadata(f"must be at most {MAX_BYTES} bytes of JSON")
    try:
        return _decoder.decode(raw)
    except RecursionError:
        raise NotMetadata(f"must be nested at most {MAX_DEPTH} deep") from None
    except (msgspec.MsgspecError, ValueError, ArithmeticError):
        raise NotMetadata("must be a JSON object; numbers in it have at most 100 places on either side") from None


def _canonical(raw: bytes, value: dict[str, object]) -> str:
    # Text with no more brackets than this cannot be nested deeper.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and not _is_shallow(value):
        raise NotMetadata(f"must be nested at most {MAX_DEPTH} deep")
    text = _encoder.encode(value)
    if len(text) > MAX_BYTES:  # the encoder writes 1e100 out in full
        raise NotMetadata(f"must be at most {MAX_BYTES} bytes of JSON")
    if b"u0000" in text and _NUL.search(text):
        raise NotMetadata("must not contain the character NUL")
    return text.decode()


def _exact(text: str) -> Decimal:
    """The number exactly as it is spelled, never through a float. Equal numbers come out as equal text.

    Raises ValueError.
    """
    if len(text) > _MAX_NUMBER:
        raise ValueError("too many digits")
    value = Decimal(text)
    if not -_FAR <= value.adjusted() <= _FAR:
        raise ValueError("too far from the decimal point")
    return strip_zeros(value)


_decoder = msgspec.json.Decoder(dict[str, object], float_hook=_exact)
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return True
        level = inner
    return not any(isinstance(item, dict | list) for item in level)
