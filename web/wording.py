"""What items and the steps of a price say, in the reader's language: each by its sentence and what stands in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from usage_billing.core.decimals import plain
from usage_billing.documents.languages import language
from usage_billing.invoicing.wording import sentence
from usage_billing.rating.pricing.base import Line
from usage_billing.rating.pricing.priced_cell import DEFAULT
from usage_billing.wire.noun import Shape
from web.numbers import Writer
from web.texts import ENGLISH


def item_text(item: Mapping[str, Any], writer: Writer) -> str:
    """What an item is; one from before sentences had keys says it in English, as it is kept."""
    key = item["textKey"]
    if key is None or writer.locale == ENGLISH:
        return str(item["description"])
    return sentence(key, item["textArgs"], language(writer.locale))


def with_texts(invoice: Shape, writer: Writer) -> Shape:
    """An invoice as the API shows it, each of its items with its ``text``."""
    return invoice | {"items": [item | {"text": item_text(item, writer)} for item in invoice["items"]]}


def steps(lines: Sequence[Line], writer: Writer) -> list[dict[str, str]]:
    """The steps of an arithmetic: the text of each, and its amount as a plain decimal."""
    return [{"text": step_text(line, writer), "amount": plain(line.amount)} for line in lines]


def step_text(line: Line, writer: Writer) -> str:
    """What a step is; the name of a cell before it is the operator's own."""
    figures = [writer.number(figure) for figure in line.figures]
    said = writer.say(line.wording)
    text = said.format(*figures) if figures else said
    cell = writer.say("default") if line.cell == DEFAULT else line.cell
    return f"{cell}: {text}" if cell else text
