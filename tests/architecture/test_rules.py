"""The house's rules hold, and each of them sees a file that breaks it."""

import pytest

from tests.architecture import rules, words
from tests.architecture.rules import Rule
from tests.architecture.sources import PACKAGES, ROOT, Source, source, sources

# Where a float is right: seconds that the operating system is asked to wait, never a quantity or an amount.
SECONDS_ARE_FLOATS = (
    "usage_billing/cli/",
    "usage_billing/db/bounded.py",
    "usage_billing/embedded/",
    "usage_billing/flows/billing/drive_run.py",  # the pause between two looks at a run that others work on
    "usage_billing/logs.py",
    "usage_billing/redaction.py",  # tells the numbers among a log line's fields
    "usage_billing/supervisor/",
)
DOMAIN = tuple(file for file in sources("usage_billing") if not file.name.startswith(SECONDS_ARE_FLOATS))
# The rows of a CSV file, and the lists that Redis answers with, have no names.
NAMELESS = ("usage_billing/cli/importing/lines.py", "tasks/inbox/redis_inbox.py")
ROWS = tuple(file for file in sources() if file.name not in NAMELESS)
# What may take an engine under any name: the cellar that makes it, and the doors.
FLOWS = tuple(
    file for file in sources("usage_billing") if not file.name.startswith(("usage_billing/cli/", "usage_billing/db/"))
)

CELERY = (ROOT / "celeryconfig.py").read_text(encoding="utf-8")
SPEAKING = (*sources(*PACKAGES, "benchmarks", "clients/python/usage_billing_client"), source(CELERY, "celeryconfig.py"))

RULES: list[tuple[Rule, tuple[Source, ...]]] = [
    (rules.only_the_session_commits, sources()),
    (rules.no_float, DOMAIN),
    (rules.aware_times, sources()),
    (rules.pure_as_promised, sources()),
    (rules.imports_nothing_of_ours, sources("migrations")),
    (rules.short, sources()),
    (rules.short_views, sources("api/views")),
    (rules.short_tasks, sources("tasks")),
    (rules.rows_by_name, ROWS),
    (rules.only_the_owner_writes, sources()),
    (rules.drivers_are_named, FLOWS),
    (rules.documented, sources()),
    (words.plain, SPEAKING),
    (words.messages_name_the_actor, SPEAKING),
    (words.plain, sources("tests", "clients/python/tests")),
]

BROKEN: list[tuple[Rule, Source]] = [
    (rules.only_the_session_commits, source("def f(session):\n    session.commit()\n")),
    (rules.only_the_session_commits, source("def f(engine):\n    with engine.begin() as c:\n        c.execute()\n")),
    (rules.only_the_session_commits, source("def f(e):\n    e.execution_options(isolation_level='AUTOCOMMIT')\n")),
    (rules.no_float, source("RATE = 0.1\n")),
    (rules.no_float, source("def f(x: float) -> None: ...\n")),
    (rules.no_float, source("def f(x):\n    return float(x)\n")),
    (rules.aware_times, source("import datetime\nx = datetime.datetime.now()\n")),
    (rules.aware_times, source("from datetime import UTC, datetime\nx = datetime.now(UTC)\n")),
    (rules.aware_times, source("from datetime import datetime\nx = datetime.utcnow()\n")),
    (rules.aware_times, source("from datetime import datetime\nx = datetime(2026, 1, 1)\n")),
    (rules.aware_times, source("from datetime import datetime\nx = datetime.fromtimestamp(1)\n")),
    (rules.aware_times, source("from datetime import date\nx = date.today()\n")),
    (rules.pure_as_promised, source('"""A rule. Pure."""\nfrom sqlalchemy import select\n')),
    (rules.pure_as_promised, source('"""A rule. Pure."""\nfrom usage_billing.db.session import transaction\n')),
    (rules.imports_nothing_of_ours, source("from usage_billing.db.base import Base\n", "migrations/versions/9.py")),
    (rules.imports_nothing_of_ours, source("import api\n", "migrations/versions/9.py")),
    (rules.short, source("x = 1\n" * 251)),
    (rules.short, source("def f():\n" + "    x = 1\n" * 60)),
    (rules.short_views, source("@blueprint.post('/x')\ndef f():\n" + "    x = 1\n" * 21)),
    (rules.short_tasks, source("@app.task(name='x.y')\ndef f():\n" + "    x = 1\n" * 13)),
    (rules.rows_by_name, source("def f(rows):\n    return [Item(*row) for row in rows]\n")),
    (rules.rows_by_name, source("def f(rows):\n    return [Item(*row[1:]) for row in rows]\n")),
    (rules.rows_by_name, source("def f(rows):\n    return {row[0]: row.name for row in rows}\n")),
    (rules.rows_by_name, source("def f(rows):\n    return rows[0][1]\n")),
    (rules.rows_by_name, source("def f(s):\n    return s.execute(X).one()[0]\n")),
    (rules.rows_by_name, source("def f(s):\n    for id, name in s.execute(X).all():\n        g(id, name)\n")),
    (rules.rows_by_name, source("def f(rows):\n    for id, *rest in rows:\n        g(id, rest)\n")),
    (rules.rows_by_name, source("def f(s):\n    id, name = s.execute(X).one()\n    return id, name\n")),
    (rules.only_the_owner_writes, source("X = text('UPDATE usage_summaries SET to_rate = true')\n")),
    (rules.only_the_owner_writes, source("X = text('WITH a AS (DELETE FROM invoices) SELECT 1')\n")),
    (rules.only_the_owner_writes, source("X = text(f'INSERT INTO billing_run_slices (id) SELECT {Y}')\n")),
    (rules.only_the_owner_writes, source("X = 'COPY usage (id) FROM STDIN'\n", "usage_billing/catalog/x.py")),
    (rules.only_the_owner_writes, source("def f(s):\n    s.execute(insert(BillingRun).values(id=1))\n")),
    (rules.drivers_are_named, source("def f(engine: Engine): ...\n", "usage_billing/flows/billing/bill.py")),
    (rules.drivers_are_named, source("def f(*, engine: Engine | None): ...\n", "usage_billing/reports/bill.py")),
    (rules.documented, source("x = 1\n")),
    (rules.documented, source('"""A module."""\ndef f(): ...\n')),
    (rules.documented, source('"""A module."""\nclass A:\n    """A."""\n    def f(self): ...\n')),
    (words.plain, source('"""What nobody knows."""\n')),
    (words.plain, source("x = 1  # Somebody waits for the answer.\n")),
    (words.plain, source('KEY = "k"\n"""Whoever records\nlooks it up."""\n')),
    (words.plain, source('def f():\n    """The same for a fee."""\n')),
    (words.plain, source('def f():\n    """The opposite."""\n')),
    (words.plain, source('def f():\n    """See Inbox."""\n')),
    (words.plain, source('def f():\n    """As for graduated."""\n')),
    (words.messages_name_the_actor, source("raise ValueError('nobody answers')\n")),
    (words.messages_name_the_actor, source("x = f'{n} runs, and whoever began them is gone'\n")),
    (words.messages_name_the_actor, source("account = 'nobody'\n")),
]


def _name(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("rule", "files"), RULES, ids=_name)
def test_the_rule_holds(rule: Rule, files: tuple[Source, ...]) -> None:
    assert files
    assert [finding for file in files for finding in rule(file)] == []


@pytest.mark.parametrize(("rule", "broken"), BROKEN, ids=_name)
def test_the_rule_sees_what_breaks_it(rule: Rule, broken: Source) -> None:
    assert rule(broken)


def test_the_one_commit_is_where_it_should_be() -> None:
    """The exception in the rule would hide that it had moved."""
    session = next(file for file in sources() if file.name == "usage_billing/db/session.py")
    elsewhere = Source("usage_billing/db/other.py", session.text)
    assert len(rules.only_the_session_commits(elsewhere)) == 2  # and the one statement that is its own transaction
