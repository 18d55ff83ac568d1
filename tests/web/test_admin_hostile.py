"""NUL, line breaks and 10,000 characters in every field of every form of the desk: refused, and nothing is changed.

The fields are those of the pages, so that one of a new form is tried too.
"""

from html.parser import HTMLParser
from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.conftest import Clock
from tests.support.refusals import written
from tests.web.conftest import ORIGIN, Books, DeskBrowser, token_in
from tests.web.desk_books import desks
from usage_billing.flows.folding.drive_folds import fold_all

TEXTS = ("a\x00b", "x" * 10_000, "a\x1b[2Jb")
_TYPED = {"text", "search", "email", "url", "number", "date", "datetime-local", ""}


class Forms(HTMLParser):
    """The forms of a page that change something: where each goes, its fields as they stand, and those to type in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str], list[str]]] = []
        self._open = self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = said.get("method", "")
            if self._open == "post":
                self.found.append((said.get("action", ""), {}, []))
        if self._open != "post" or not self.found:
            return
        _, fields, typed = self.found[-1]
        if tag == "select":
            self._select = said["name"]
            fields.setdefault(self._select, "")
        elif tag == "option" and ("selected" in said or not fields.get(self._select)):
            fields[self._select] = said.get("value", "")
        elif tag == "textarea" or (tag == "input" and "name" in said):
            kind = said.get("type", "")
            if kind in {"checkbox", "radio"} and "checked" not in said:
                return
            fields[said["name"]] = said.get("value", "")
            if tag == "textarea" or kind in _TYPED:
                typed.append(said["name"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = ""


def test_no_field_of_the_desk_takes_it(
    desk: DeskBrowser, used: Books, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field gets one of the texts, in turn: some hundred forms are sent, which takes seconds."""
    monkeypatch.setattr("web.admin.gate.REQUESTS_A_MINUTE", 100_000)
    pages, texts = dict.fromkeys(desks(engine, used, clock()).addresses), cycle(TEXTS)
    fold_all(engine)
    token, before, tried, wrong = token_in(desk.see("/admin")), written(engine), 0, list[Any]()
    for page in pages:
        seen = desk.client.get(page)
        for action, fields, typed in Forms(seen.text).found if seen.status_code == 200 else []:
            for name, text in zip(typed, texts, strict=False):
                tried += 1
                sent = {**fields, "token": token, name: text}
                answer = desk.client.post(action or page, data=sent, headers=ORIGIN)
                if answer.status_code not in {404, 409, 422}:
                    wrong.append((page, name, text[:9], answer.status_code, answer.headers.get("Location")))
        if (after := written(engine)) != before:
            moved = [one.name for one, two in zip(after, before, strict=True) if one != two]
            wrong.append((page, "something was written", moved))
            before = after
    assert tried > 100
    assert not wrong, "\n".join(map(str, wrong))
