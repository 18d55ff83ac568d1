"""Takes secrets out of text that people and machines keep: logs, messages, the console. Pure."""

import math
import re
from collections.abc import Callable, Mapping

HIDDEN = "[hidden]"

# A field whose name ends in one of these, in lower case and without separators, holds a secret.
_SENSITIVE = ("password", "passwd", "pwd", "secret", "apikey", "adminkey", "token", "authorization", "cookie")

_Replace = str | Callable[[re.Match[str]], str]
# A pattern finds nothing in a text that has none of the marks in front of it. Most texts have none: to look for marks
# takes a twentieth of the time that the patterns do.
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], _Replace], ...] = (
    # Our keys. The name in front stays, because it says which key it was.
    (("ub_",), re.compile(r"\b(ub_[A-Za-z0-9]{4,16})_[A-Za-z0-9_-]{8,}"), rf"\1_{HIDDEN}"),
    # The token of a stream.
    (("ubs-",), re.compile(r"\bubs-[0-9a-f]{1,12}-[0-9a-f-]{8,}"), HIDDEN),
    # A JWT: three parts in base64url, the first of which is an object.
    (("eyJ",), re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), HIDDEN),
    # scheme://user:password@host, the password holding anything but space, quote and slash.
    (("://",), re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"']*):[^\s/\"']+@", re.IGNORECASE), rf"\1:{HIDDEN}@"),
    # Authorization: Bearer x, "Authorization": "Basic x", ('x-api-key', 'x')
    (
        (":", "=", ","),
        re.compile(
            r"((?:authorization|x-api-key|cookie)[\"']?\s*[:=,]\s*[\"']?(?:b[\"'])?(?:(?:bearer|basic|token)\s+)?)"
            r"[^\s\"',;]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (("b", "B"), re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # password=x, "password": "x", secret: 'x', JWT_SECRET=x, api_key="x". What stands before the word is not sought:
    # from each letter of a long run, the rest of it would be searched.
    (
        (":", "="),
        re.compile(
            r"((?:password|passwd|secret|api_?key|admin_?key|token|\bpwd)[\"']?\s*[:=]\s*[\"']?)"
            r"(?!\[hidden\])[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # Secrets that `up` makes.
    (("dev-",), re.compile(r"\bdev-[A-Za-z0-9_-]{32,}"), HIDDEN),
)


def redact(text: str) -> str:
    """``text`` without what looks like a key, a token, a password or the credentials of a URL."""
    for marks, pattern, replacement in _RULES:
        for mark in marks:
            if mark in text:
                text = pattern.sub(replacement, text)
                break
    return text


def redact_value(name: str, value: object) -> object:
    """The value of a field, fit for JSON: hidden whole when ``name`` is a secret's, else with its texts redacted."""
    if name.lower().replace("-", "").replace("_", "").endswith(_SENSITIVE):
        return HIDDEN
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value("", item) for item in value]
    return redact(str(value))
