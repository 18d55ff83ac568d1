"""A change as a form: its fields, what was typed into them, and the flow that it calls.

A form is described once. Its page shows the fields; what a browser sends is read by the kinds of argument that the
commands have. What is wrong stands beside its field, and what was typed stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from api.problems import from_error
from api.state import state, this_request
from usage_billing.cli.frame.kind import Kind
from usage_billing.cli.frame.types import SOURCE
from usage_billing.core.errors import Conflict, FieldError, InvalidInput, NotFound, UsageBillingError
from usage_billing.core.identifiers import new_text_id
from usage_billing.db.session import read_only, transaction
from web.admin.blueprint import blp
from web.admin.desk import Desk, Operator
from web.admin.frame import framed
from web.admin.gate import changing, look_again, looking
from web.admin.troubles import sentence_of
from web.cross_site import FIELD
from web.pages import see_other

MANY = "many"
_WRONG = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A field: ``name`` as the API calls it, ``label`` for people, and the ``kind`` that reads its text.

    ``type`` is that of an input, or ``choice``, ``many`` (of the ``choices``, at first those ``chosen``) or ``area``.
    An empty one that is not ``required`` is None.
    """

    name: str
    label: str
    kind: Kind | None = None
    type: str = "text"
    choices: Sequence[tuple[str, str]] = ()
    help: str = ""
    required: bool = True
    value: str = ""
    chosen: Sequence[str] = ()
    rows: int = 8


def key_box(help: str, *, hidden: bool = False) -> Box:
    """The field of an idempotency key, made with the page: a form that is sent twice does its work once."""
    key = f"admin:{new_text_id()}"
    if hidden:
        return Box(name="idempotencyKey", label="", kind=SOURCE, type="hidden", value=key)
    return Box(name="idempotencyKey", label="Key", kind=SOURCE, value=key, help=help)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A change to be decided about: what it is, in words, its fields, the verb of its button, and the way back.

    ``does`` is what the button says that follows a look at what the change would do.
    """

    title: str
    says: str
    verb: str
    current: str
    back: str
    boxes: Sequence[Box] = ()
    danger: bool = False
    does: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What follows a change that was made: the page ``to`` go to, or one that is shown ``at_once``.

    ``later`` is called once the change is committed.
    """

    to: str = ""
    at_once: Callable[[Desk], Response] | None = None
    later: Callable[[], object] | None = None


@dataclass(slots=True)
class Said:
    """What a browser sent: the values of the fields, their texts as typed, and what is wrong, by field."""

    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


Make = Callable[..., Form]
Do = Callable[..., Done]


def change(rule: str, name: str, make: Make, do: Do) -> None:
    """Add a form below ``/admin``: its page, and what it does.

    ``make`` gets a session that reads and the arguments of the address; ``do`` a session that writes, the operator,
    the values and these arguments.
    """

    @looking
    def ask(desk: Desk, **arguments: Any) -> Response:
        form = make(desk.session, **arguments)
        return shown(desk, form, Said(texts=_given(form)))

    @changing
    def act(operator: Operator, **arguments: Any) -> Response:
        with read_only(state().engine) as session:
            form = make(session, **arguments)
        return submitted(operator, form, lambda session, values: do(session, operator, values, **arguments))

    blp.add_url_rule(rule, f"ask_{name}", ask, methods=["GET"])
    blp.add_url_rule(rule, f"do_{name}", act, methods=["POST"])


def submitted(
    operator: Operator, form: Form, do: Callable[[Session, dict[str, Any]], Done], *, beside: Sequence[str] = ()
) -> Response:
    """Read a form and do what it says; where something is wrong the form is shown again, and nothing is changed."""
    said = read(form, beside=beside)
    if said.wrong:
        return look_again(operator, lambda desk: shown(desk, form, said, status=_WRONG))
    try:
        with transaction(state().engine) as session:
            done = do(session, said.values)
    except (InvalidInput, Conflict, NotFound) as error:
        return refused(operator, form, said, error)
    if done.later is not None:
        done.later()
    return look_again(operator, done.at_once) if done.at_once is not None else see_other(done.to)


def refused(operator: Operator, form: Form, said: Said, error: UsageBillingError) -> Response:
    """The form again, with what a flow says against it."""
    names = {box.name for box in form.boxes}
    fields = error.fields if isinstance(error, InvalidInput) else ()
    said.wrong |= {_name(one): f"{one.message[:1].upper()}{one.message[1:]}." for one in fields if _name(one) in names}
    whole = "" if fields and all(_name(one) in names for one in fields) else sentence_of(error)
    status = from_error(error).status_code
    return look_again(operator, lambda desk: shown(desk, form, said, wrong=whole, status=status))


def shown(desk: Desk, form: Form, said: Said, *, wrong: str = "", status: int = 200, **more: Any) -> Response:
    """The page of a form."""
    context: dict[str, Any] = {"form": form, "said": said, "wrong": wrong, "result": "", "looks": False, **more}
    return framed(desk, form.current, "form", status=status, **context)


def read(form: Form, *, beside: Sequence[str] = ()) -> Said:
    """What a browser sent; raises InvalidInput for a field that the form has not, or one that is there twice."""
    given, said = this_request().form, Said()
    known = {box.name: box for box in form.boxes}
    strays = [name for name in given if name not in {FIELD, *known, *beside}]
    twice = [name for name, all_of in given.lists() if len(all_of) > 1 and not _takes_many(known.get(name))]
    if strays or twice:
        fields = [FieldError(name[:64], "is no field of this form", "unknown") for name in strays]
        fields += [FieldError(name[:64], "is given twice", "repeated") for name in twice]
        raise InvalidInput("the form has wrong fields", fields=tuple(fields))
    for box in form.boxes:
        text: Any = given.getlist(box.name) if box.type == MANY else given.get(box.name, "").strip()
        said.texts[box.name] = text
        try:
            said.values[box.name] = _value(box, text)
        except ValueError as error:
            said.wrong[box.name] = str(error)
    return said


def _value(box: Box, text: Any) -> Any:
    if not text:
        if box.required:
            raise ValueError("Choose at least one." if box.type == MANY else "Fill this in.")
        return None
    if box.type in {MANY, "choice"}:
        words = {word for word, _ in box.choices}
        if any(one not in words for one in ([text] if isinstance(text, str) else text)):
            raise ValueError("This is none of the choices.")
    if box.kind is None:
        return text
    try:
        return box.kind.read(text)
    except ValueError as error:
        raise ValueError(f"It {error}.") from None


def _takes_many(box: Box | None) -> bool:
    return box is not None and box.type == MANY


def _given(form: Form) -> dict[str, Any]:
    return {box.name: list(box.chosen) if box.type == MANY else box.value for box in form.boxes}


def _name(error: FieldError) -> str:
    return error.pointer.lstrip("/").partition("/")[0]


Look = Callable[[Desk, dict[str, Any]], Markup]


def try_out(rule: str, name: str, make: Make, look: Look) -> None:
    """Add a form below ``/admin`` that changes nothing: what ``look`` found stands below it."""

    @looking
    def ask(desk: Desk, **arguments: Any) -> Response:
        form = make(desk.session, **arguments)
        return shown(desk, form, Said(texts=_given(form)))

    @changing
    def act(operator: Operator, **arguments: Any) -> Response:
        with read_only(state().engine) as session:
            form = make(session, **arguments)
        said = read(form)
        if said.wrong:
            return look_again(operator, lambda desk: shown(desk, form, said, status=_WRONG))
        try:
            return look_again(operator, lambda desk: shown(desk, form, said, result=look(desk, said.values)))
        except (InvalidInput, Conflict, NotFound) as error:
            return refused(operator, form, said, error)

    blp.add_url_rule(rule, f"ask_{name}", ask, methods=["GET"])
    blp.add_url_rule(rule, f"try_{name}", act, methods=["POST"])
