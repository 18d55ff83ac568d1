"""Rules about words: text names the actor, and a docstring is understood without its neighbour."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.architecture.sources import Source

_NAMELESS = re.compile(r"\b(whoever|nobody|somebody|anybody)\b", re.IGNORECASE)
# The account that the embedded servers run as, and the file that names it to the operating system.
_ACCOUNT = ("usage_billing/embedded/accounts.py", "nobody")
# Words in backquotes or in italics are spoken about, such as the account ``nobody``.
_QUOTED = re.compile(r"`[^`\n]+`|\*\w+\*")
_NEEDS_ITS_NEIGHBOUR = re.compile(r"The same(?=[.,;]| for | as | over )|The opposite\b|As for |See \w+[.;]")


def plain(source: Source) -> list[str]:
    """No docstring or comment speaks of a nameless actor, and no docstring is only a reference to another."""
    found = []
    # Most files have none of these words, and taking one apart for its comments is what takes long.
    speaking = (*_strings(source), *_comments(source)) if _NAMELESS.search(source.text) else ()
    for line, text in speaking:
        found += [f"{source.name}:{line}: {word}" for word in nameless_in(text)]
    for line, text in _strings(source):
        if match := _NEEDS_ITS_NEIGHBOUR.match(text):
            found.append(f"{source.name}:{line}: {match[0]!r} is understood beside its neighbour only")
    return found


def messages_name_the_actor(source: Source) -> list[str]:
    """No string literal speaks of a nameless actor: each may be shown to a person. Pieces of f-strings are literals."""
    return [
        f"{source.name}:{node.lineno}: {word}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (source.name, node.value) != _ACCOUNT
        for word in nameless_in(node.value)
    ]


def nameless_in(text: str) -> list[str]:
    """The nameless actors that ``text`` speaks of, outside backquotes and italics."""
    return _NAMELESS.findall(_QUOTED.sub("", text))


def _strings(source: Source) -> Iterator[tuple[int, str]]:
    """The strings that stand as statements: the docstrings of modules, classes, functions and values."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
