"""The text of an expression, cut into words."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from usage_billing.expressions.errors import ExpressionError

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`[^`]+`)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<sign>&&|\|\||[<>=!]=|[-+*<>!?:().,])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'", "`": "`"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Token(NamedTuple):
    """A word: its kind (number, name, quoted, text, sign, end), what it says, and where it begins, from 1."""

    kind: str
    text: str
    at: int


def tokens_of(text: str) -> Iterator[Token]:
    """The words of ``text``, and one of the kind ``end``. Raises ExpressionError for what is no word."""
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ExpressionError(_why_not(text[place]), place + 1)
        kind, word = found.lastgroup or "", found.group()
        at, place = place + 1, found.end()
        if kind == "number" and place < len(text) and (text[place].isalnum() or text[place] == "_"):
            raise ExpressionError("a number is spelled in decimal digits, as 12 or 0.5 or 1e6", at)
        if kind == "text":
            yield Token(kind, _unescaped(word[1:-1], at), at)
        elif kind == "quoted":
            yield Token(kind, _storable(word[1:-1], at), at)
        elif kind != "space":
            yield Token(kind, word, at)
    yield Token("end", "", len(text) + 1)


def _why_not(character: str) -> str:
    if character in "\"'`":
        return "this quote is not closed"
    if character in "/%":
        return "there is no such operator: div(a, b, places) divides, and says how the result is rounded"
    if character == "[":
        return "lists and indexes are not supported; a name with other characters stands in backquotes"
    return f"the character {character!r} has no meaning here"


def _unescaped(body: str, at: int) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        if found[2] not in _ESCAPES:
            raise ExpressionError(f"the escape \\{found[2]} is not known", at + 1 + found.start())
        return _ESCAPES[found[2]]

    return _storable(_ESCAPE.sub(one, body), at)


def _storable(text: str, at: int) -> str:
    if _UNSTORABLE.search(text):
        raise ExpressionError("a text must not contain NUL or lone surrogates", at)
    return text
