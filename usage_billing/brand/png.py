"""Looks at a PNG: all of its parts are there and whole, and it is no larger than a logo. Pure."""

import struct
import zlib

from usage_billing.brand.identity import Logo

MOST_PIXELS = 4096
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
_SIZE = struct.Struct(">II")
_MOST_RAW = 64 * 1024 * 1024


def read_png(content: bytes) -> Logo:
    """The picture; raises ValueError that says what is wrong with it."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("it is no PNG")
    width = height = 0
    packed = b""
    place, ended = len(_SIGNATURE), False
    while not ended:
        kind, data, place = _chunk(content, place)
        if kind == b"IHDR" and len(data) >= _SIZE.size:
            width, height = _SIZE.unpack_from(data)
        elif kind == b"IDAT":
            packed += data
        ended = kind == b"IEND"
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise ValueError(f"it must be 1 to {MOST_PIXELS} pixels wide and high")
    _check_whole(packed)
    return Logo(kind="png", content=content, width=width, height=height)


def _chunk(content: bytes, place: int) -> tuple[bytes, bytes, int]:
    """A part of the file: its kind, its bytes, and where the next begins."""
    begins = place + _HEAD.size
    if begins > len(content):
        raise ValueError("it ends too early")
    length, kind = _HEAD.unpack_from(content, place)
    ends = begins + length
    if ends + 4 > len(content):
        raise ValueError("it ends too early")
    if zlib.crc32(content[place + 4 : ends]) != int.from_bytes(content[ends : ends + 4], "big"):
        raise ValueError("it is damaged")
    return kind, content[begins:ends], ends + 4


def _check_whole(packed: bytes) -> None:
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, _MOST_RAW)
    except zlib.error:
        raise ValueError("it is damaged") from None
    if not unpacking.eof:
        raise ValueError("it ends too early, or is too large")
