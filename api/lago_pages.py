"""Lists as Lago's clients read them: pages with where they stand among all; and what is missing by Lago's word."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Response

from api.foreign_pages import AskedPage, FoundPage, Page
from api.json_provider import json_response
from usage_billing.core.errors import InvalidInput, NotFound

PAGE = Page(number="page", size="per_page", usual=20, most=100)


def choice(text: str, choices: Mapping[str, Any], name: str) -> Any:
    """What ``text`` stands for among ``choices``; raises InvalidInput that names the parameter."""
    if text not in choices:
        raise InvalidInput.field(f"?{name}", f"must be one of: {', '.join(choices)}", code="not_a_choice")
    return choices[text]


def listed(name: str, shown: list[dict[str, Any]], found: FoundPage, asked: AskedPage) -> Response:
    """A page as Lago has it, with where it stands among all."""
    pages = -(-found.total // asked.size)
    meta = {
        "current_page": asked.number,
        "next_page": asked.number + 1 if asked.number < pages else None,
        "prev_page": asked.number - 1 if asked.number > 1 else None,
        "total_pages": pages,
        "total_count": found.total,
    }
    return json_response({name: shown, "meta": meta})


@contextmanager
def named(code: str) -> Iterator[None]:
    """Say what is missing by Lago's own word."""
    try:
        yield
    except NotFound as error:
        raise NotFound(error.message, code=code) from error
