"""Cuts a JSON text into its elements or members without judging what is in them: each is then read by itself."""

import json
import re

from api.errors import Unreadable

_value = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def pieces_of_list(data: bytes) -> list[bytes]:
    """The texts of the elements of a JSON list; raises Unreadable (400) for what is none."""
    return [text.encode() for _, text in _pieces(data, "[", "]")]


def pieces_of_object(data: bytes) -> dict[str, bytes]:
    """The texts of the members of a JSON object; raises Unreadable (400) for what is none, or has a name twice."""
    found = _pieces(data, "{", "}")
    members = {name: text.encode() for name, text in found}
    if len(members) != len(found):
        raise Unreadable("a name is in the body twice", code="repeated_name")
    return members


def _pieces(data: bytes, opens: str, closes: str) -> list[tuple[str, str]]:
    try:
        return _cut(data.decode(), opens, closes)
    except UnicodeDecodeError as error:
        raise Unreadable("the body is not UTF-8", code="not_utf8") from error
    except RecursionError as error:
        raise Unreadable("the body is nested too deep", code="too_deep") from error
    except (ValueError, IndexError) as error:
        kind = "list" if opens == "[" else "object"
        raise Unreadable(f"the body must be a JSON {kind}", code="not_json") from error


def _cut(text: str, opens: str, closes: str) -> list[tuple[str, str]]:
    """(name, text) of each piece; the elements of a list have no name. Raises ValueError or IndexError."""
    found: list[tuple[str, str]] = []
    at = _expect(text, 0, opens)
    if text[at] == closes:
        return _ended(text, at, found)
    while True:
        name = ""
        if opens == "{":
            name, at = _value.raw_decode(text, at)
            if not isinstance(name, str):
                raise ValueError("a name is a text")
            at = _expect(text, at, ":")
        _, end = _value.raw_decode(text, at)
        found.append((name, text[at:end]))
        at = _skip(text, end)
        if text[at] == closes:
            return _ended(text, at, found)
        at = _expect(text, at, ",")


def _ended(text: str, at: int, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if _skip(text, at + 1) != len(text):
        raise ValueError("more follows")
    return found


def _expect(text: str, at: int, sign: str) -> int:
    """Where the text goes on after ``sign`` and what blanks are around it; raises ValueError where it is missing."""
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign} is missing")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    blank = _SPACE.match(text, at)
    return at if blank is None else blank.end()
