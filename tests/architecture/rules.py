"""The house's rules that an import contract cannot express: each takes a source and returns what breaks the rule.

They look at syntax alone. ``test_rules.py`` shows each one a file that breaks it.
"""

import ast
import re
from collections.abc import Callable, Iterator

from tests.architecture.sources import Source
from usage_billing.all_models import Base

Rule = Callable[[Source], list[str]]

_ALL = 8  # arguments of datetime, the zone being the last
MAX_MODULE = 250
MAX_FUNCTION = 60
MAX_VIEW = 20
MAX_TASK = 12
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Computes on the wall clock of a time zone before it makes instants of it.
_WALL_CLOCK = "usage_billing/core/periods.py"
_OURS = ("usage_billing", "tasks", "api", "web", "tests")
_IMPURE = ("sqlalchemy", "psycopg", "usage_billing.db", "subprocess", "socket", "logging", "pathlib", "os")

_WRITES = re.compile(
    r"(?:INSERT INTO|UPDATE|DELETE FROM|COPY|TRUNCATE|MERGE INTO)\s+(?:ONLY\s+)?([a-z_]+)", re.IGNORECASE
)
# The room that each table is of, and the class.
OWNERS = {mapper.local_table.name: mapper.class_.__module__.split(".")[1] for mapper in Base.registry.mappers}
MODELS = {mapper.local_table.name: mapper.class_.__name__ for mapper in Base.registry.mappers}
# The room of the inbox says what its tables are; what fills and empties them is a part of the workers.
_WRITERS = {"inbox": ("tasks/inbox/",)}


def only_the_session_commits(source: Source) -> list[str]:
    """``.commit(`` and the implicit commits of ``.begin(`` and ``autocommit`` stand in db/session.py alone."""
    found = [
        _at(source, node, f".{node.func.attr}(")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"commit", "begin"}
    ]
    found += [
        _at(source, node, repr(node.value))
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and str(node.value).upper() in {"AUTOCOMMIT", "COMMIT"}
    ]
    return [] if source.name == "usage_billing/db/session.py" else found


def no_float(source: Source) -> list[str]:
    """No ``float`` by name and no literal of it: quantities and money are decimals that a sender spelled."""
    return [
        _at(source, node, ast.unparse(node))
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]


def aware_times(source: Source) -> list[str]:
    """Every time is made with its zone, and the present is asked for in core/clock.py alone."""
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg for keyword in node.keywords}
        if called.endswith(("datetime.utcnow", "datetime.utcfromtimestamp", "date.today", "datetime.today")):
            found.append(_at(source, node, called))
        elif called.endswith(("datetime.now", "datetime.fromtimestamp")):
            needed = 1 if called.endswith("now") else 2
            if len(node.args) < needed and "tz" not in given:
                found.append(_at(source, node, f"{called} without a zone"))
            elif called.endswith("now") and source.name != "usage_billing/core/clock.py":
                found.append(_at(source, node, f"{called}: call core.clock.utc_now, or take the time as a parameter"))
        elif called in {"datetime", "datetime.datetime"} and not (len(node.args) == _ALL or "tzinfo" in given):
            found += [] if source.name == _WALL_CLOCK else [_at(source, node, "datetime(...) without tzinfo")]
    return found


def pure_as_promised(source: Source) -> list[str]:
    """A module whose docstring says "Pure." imports no database, no system and no log."""
    if "Pure." not in (ast.get_docstring(source.tree) or ""):
        return []
    return [_at(source, node, f"imports {name}") for node, name in _imports(source) if _is_one_of(name, _IMPURE)]


def imports_nothing_of_ours(source: Source) -> list[str]:
    """A migration says what it means itself: the code it would import is another one tomorrow."""
    return [_at(source, node, f"imports {name}") for node, name in _imports(source) if _is_one_of(name, _OURS)]


def short(source: Source) -> list[str]:
    """Modules and functions that fit a head and a screen."""
    found = []
    if source.lines > MAX_MODULE:
        found.append(f"{source.name}: {source.lines} lines")
    for node in ast.walk(source.tree):
        if isinstance(node, FUNCTIONS) and (length := _length(node)) > MAX_FUNCTION:
            found.append(_at(source, node, f"{node.name} has {length} lines"))
    return found


def short_views(source: Source) -> list[str]:
    """A view authenticates, loads, calls and answers; what is more belongs in a flow or a report."""
    return [
        _at(source, node, f"{node.name} has {_body_length(node)} lines")
        for node in ast.walk(source.tree)
        if isinstance(node, FUNCTIONS) and _decorated(node, ".route", ".get", ".post", ".patch", ".put", ".delete")
        if _body_length(node) > MAX_VIEW
    ]


def short_tasks(source: Source) -> list[str]:
    """A task parses, opens the transaction, calls one flow and returns."""
    return [
        _at(source, node, f"{node.name} has {_body_length(node)} lines")
        for node in ast.walk(source.tree)
        if isinstance(node, FUNCTIONS) and _decorated(node, ".task") and _body_length(node) > MAX_TASK
    ]


def rows_by_name(source: Source) -> list[str]:
    """What a statement returns is read by the names of its columns: their order is not promised."""
    return [
        _at(source, node, ast.unparse(node).partition("\n")[0])
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Subscript) and _is_row(node.value) and _is_place(node.slice))
        or (isinstance(node, ast.Starred) and (_is_row(node.value) or _is_part_of_row(node.value)))
        or (isinstance(node, ast.For | ast.comprehension) and _unpacks(node.target, node.iter))
        or (isinstance(node, ast.Assign) and _unpacks(node.targets[0], node.value))
    ]


def _is_row(node: ast.expr) -> bool:
    """``row``, ``rows[0]`` or ``....one()``."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in {"one", "fetchone"}
    return _is_rows(node.value) if isinstance(node, ast.Subscript) else isinstance(node, ast.Name) and node.id == "row"


def _is_rows(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"rows", "page"}


def _is_part_of_row(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and _is_row(node.value)


def _is_place(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) or (isinstance(node, ast.Constant) and isinstance(node.value, int))


def _unpacks(target: ast.expr, value: ast.expr) -> bool:
    """Whether rows of more than one column are taken apart; ``value`` asks for them, or is named after them."""
    if not isinstance(target, ast.Tuple) or len(target.elts) == 1:
        return False
    asks = {"execute", "_ask", "fetchall"}
    return _is_rows(value) or any(isinstance(n, ast.Attribute) and n.attr in asks for n in ast.walk(value))


def only_the_owner_writes(source: Source) -> list[str]:
    """A table is written by its room alone: in the text of a statement, by ``insert(Model)`` and its like."""
    found = []
    for node in ast.walk(source.tree):
        written: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            written = [table for table in _WRITES.findall(node.value) if table in OWNERS]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"insert", "update", "delete"} and node.args:
            written = [table for table in OWNERS if MODELS[table] == ast.unparse(node.args[0])]
        found += [_at(source, node, f"writes {table}") for table in written if not _is_owner(source, OWNERS[table])]
    return found


def _is_owner(source: Source, room: str) -> bool:
    return source.name.startswith((f"usage_billing/{room}/", *_WRITERS.get(room, ())))


def drivers_are_named(source: Source) -> list[str]:
    """What takes an engine opens transactions of its own: a driver, whose file is called so. A flow takes a session."""
    if source.name.rpartition("/")[2].startswith("drive_"):
        return []
    return [
        _at(source, node, f"{node.name} takes an engine")
        for node in ast.walk(source.tree)
        if isinstance(node, FUNCTIONS)
        for given in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if given.annotation is not None and "Engine" in ast.unparse(given.annotation).split(" | ")
    ]


def documented(source: Source) -> list[str]:
    """Every module, public class and public function says what it is."""
    found = [] if ast.get_docstring(source.tree) else [f"{source.name}: the module has no docstring"]
    for parent in (source.tree, *(node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))):
        if isinstance(parent, ast.ClassDef) and parent.name.startswith("_"):
            continue
        for node in parent.body:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
                overload = isinstance(node, FUNCTIONS) and _decorated(node, "overload", ".setter")
                if not overload and not ast.get_docstring(node):
                    found.append(_at(source, node, f"{node.name} has no docstring"))
    return found


def _at(source: Source, node: ast.AST, what: str) -> str:
    return f"{source.name}:{getattr(node, 'lineno', 0)}: {what}"


def _imports(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def _is_one_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, *endings: str) -> bool:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called).endswith(endings):
            return True
    return False
