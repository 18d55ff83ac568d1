"""``migrate --dry-run`` says what the migration and the next run then do, and changes nothing."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.integration.conftest import Answer
from tests.migrations.schema import read_schema
from tests.support.billing import bill
from tests.support.databases import Databases
from tests.support.earlier_books import CALLS, EarlierBooks
from usage_billing.all_models import Base
from usage_billing.cli.group import run
from usage_billing.cli.migration.layout import show_as_migrated
from usage_billing.cli.migration.migrate import upgrade
from usage_billing.cli.migration.migrating import known_revisions
from usage_billing.core.clock import utc_now
from usage_billing.db.session import make_engine

# Of two layouts before periods have one allowance: an early one, and the last.
EARLIER = ["0013", "0025"]
HEAD = known_revisions()[-1]
JUNE, TENTH, TWENTY_NINTH, JULY = (
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((6, 1), (6, 11), (6, 29), (7, 1))
)
MAY, EVER = datetime(2026, 5, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
NEVER = timedelta(days=36_500)  # the grace of a run that makes nothing final

DryRun = Callable[..., Answer]
Items = dict[tuple[str, str | None, datetime], Decimal]


@pytest.fixture
def dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> DryRun:
    """``dry_run(url, "--json")``, in this process."""
    monkeypatch.chdir(tmp_path)

    def call(url: str, *arguments: str) -> Answer:
        environment = {"DATABASE_URL": url.replace("+psycopg", ""), "USAGE_BILLING_HOME": str(tmp_path)}
        capsys.readouterr()
        with patch.dict(os.environ, {"PATH": os.environ["PATH"], **environment}, clear=True):
            code = run(["migrate", "--dry-run", *arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


def _fill(url: str, fill: Callable[[EarlierBooks], None]) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        fill(EarlierBooks(connection))
    engine.dispose()


def _everything(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table that there is."""
    with engine.connect() as connection:
        names = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        ).all()
        return {
            name: sorted(connection.scalars(text(f'SELECT CAST(t AS text) FROM "{name}" AS t')).all()) for name in names
        }


def _drafted(engine: Engine) -> Items:
    """The amounts of the items of drafts, by subscription, usage type and beginning."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT i.subscription_id, t.usage_type_id, t.period_start, sum(t.amount) FROM invoices AS i"
                " JOIN usage_invoice_items AS t ON t.invoice_id = i.id WHERE i.status = 'draft' GROUP BY 1, 2, 3"
            )
        )
        return {(row[0], row[1], row[2]): row[3] for row in rows}


def _changed(before: Items, after: Items) -> dict[tuple[str, str | None, datetime], tuple[Decimal, Decimal]]:
    zero = Decimal(0)
    pairs = {key: (before.get(key, zero), after.get(key, zero)) for key in before.keys() | after.keys()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _said(report: dict[str, Any]) -> dict[tuple[str, str | None, datetime], tuple[Decimal, Decimal]]:
    return {
        (line["subscriptionId"], line["usageType"], datetime.fromisoformat(line["itemStart"])): (
            Decimal(line["amountBefore"]),
            Decimal(line["amount"]),
        )
        for line in report["drafts"]
    }


def _moved(books: EarlierBooks, id: str, quotas: tuple[int, int], *, to_rate: bool = False, draft: bool = True) -> None:
    """300 free a month, then 1,000 from the 11th: divided by time, 250 used before and 600 after."""
    books.subscription(id, [("small", JUNE), ("large", TENTH)])
    first, beyond = books.used(id, (JUNE, TENTH, JULY), quotas[0], "100", [100, 150], to_rate=to_rate)
    books.used(id, (TENTH, JULY, JULY), quotas[1], "666.666666666667", [600], to_rate=to_rate)
    if draft:
        books.item(books.invoice(id, (JUNE, JULY), f"{beyond}"), "summary", first, f"{beyond}")


def _cases(books: EarlierBooks) -> None:
    """Each kind of period once."""
    books.usage_type()
    books.plan("small")
    books.plan("large")
    small, large = books.quota("small", 300, "1", EVER), books.quota("large", 1000, "0.5", EVER)
    _moved(books, "moved", (small, large))
    _moved(books, "waiting", (small, large), to_rate=True, draft=False)
    _moved(books, "invoiced", (small, large))
    final = books.connection.scalar(text("SELECT id FROM invoices WHERE subscription_id = 'invoiced'"))
    books.finalize(final, 1)
    # 300 of 300 used, then the limit raised at once to 1,000: charged 20.00 by time.
    books.plan("raised")
    before = books.quota("raised", 300, "1", EVER, until=TWENTY_NINTH)
    books.quota("raised", 1000, "1", TWENTY_NINTH, version=2, immediate=True)
    books.subscription("raised", [("raised", JUNE)])
    raised, beyond = books.used("raised", (JUNE, TWENTY_NINTH, JULY), before, "280", [250, 50])
    books.item(books.invoice("raised", (JUNE, JULY), f"{beyond}"), "summary", raised, f"{beyond}")
    # Uncut, and so as it was: one that is charged, and one with usage that no run has rated.
    books.subscription("uncut", [("small", JUNE)])
    uncut, beyond = books.used("uncut", (JUNE, JULY, JULY), small, "300", [400])
    books.item(books.invoice("uncut", (JUNE, JULY), f"{beyond}"), "summary", uncut, f"{beyond}")
    books.subscription("unbilled", [("small", JUNE)])
    books.used("unbilled", (JUNE, JULY, JULY), small, "300", [400], to_rate=True)
    # Own terms for a plan that was left and came back: they do not revive.
    own = books.quota("small", 300, "9", EVER, own="returned")
    books.subscription("returned", [("small", JUNE), ("large", TENTH), ("small", TWENTY_NINTH)])
    books.used("returned", (JUNE, TENTH, JULY), own, "100", [90])
    last, beyond = books.used("returned", (TWENTY_NINTH, JULY, JULY), own, "20", [500])
    amount = f"{beyond * 9}"
    books.item(books.invoice("returned", (JUNE, JULY), amount), "summary", last, amount)
    # The same with a whole period under them: nothing but who owns the quota tells that one.
    revived = books.quota("small", 100, "9", EVER, own="revived")
    terms = [("small", MAY), ("large", MAY + timedelta(days=9)), ("small", JUNE)]
    books.subscription("revived", terms)
    whole, beyond = books.used("revived", (JUNE, JULY, JULY), revived, "100", [350])
    books.item(books.invoice("revived", (JUNE, JULY), f"{beyond * 9}"), "summary", whole, f"{beyond * 9}")
    # Base fees of a running year that a move cut: by the old rule the first bore what lies before the start.
    year = utc_now().replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    end, part = year.replace(year=year.year + 1), (utc_now() - year) / 3
    began, moved = year + part, year + 2 * part
    books.plan("bronze", interval="year", base_fee="60")
    books.plan("silver", interval="year", base_fee="30")
    books.subscription("yearly", [("bronze", began), ("silver", moved)], opens_at=end)
    fees = [
        books.fee("yearly", "bronze", (began, moved, end), "58"),
        books.fee("yearly", "silver", (moved, end, end), "1"),
    ]
    invoice = books.invoice("yearly", (year, end), "59")
    for fee, amount in zip(fees, ("58", "1"), strict=True):
        books.item(invoice, "fee", fee, amount)


@pytest.mark.parametrize("revision", EARLIER)
def test_it_tells_to_the_cent_what_the_run_after_the_migration_puts_on_drafts(
    databases: Databases, dry_run: DryRun, revision: str
) -> None:
    url = databases.bare()
    upgrade(url, revision)
    _fill(url, _cases)
    engine = make_engine(url)
    schema, rows, before = read_schema(url), _everything(engine), _drafted(engine)

    answer = dry_run(url, "--json")
    assert (answer.code, answer.err) == (1, "")
    report = answer.json
    assert (read_schema(url), _everything(engine)) == (schema, rows)

    engine.dispose()
    upgrade(url)
    bill(engine, utc_now(), grace=NEVER)
    changed = _changed(before, _drafted(engine))
    engine.dispose()
    # A run rates what was recorded all the same; the migration is not what changes it.
    assert changed.pop(("unbilled", CALLS, JUNE)) == (0, 100)
    said = _said(report)
    assert said == changed
    # By hand: nothing of the first 300 is charged, and of the 766.67 until the end 250 were used before.
    assert said["moved", CALLS, JUNE] == (150, 0)
    assert said["moved", CALLS, TENTH] == (0, Decimal("41.67"))
    assert said["waiting", CALLS, TENTH] == (0, Decimal("41.67"))
    assert said["raised", CALLS, JUNE] == (20, 0)
    assert said["revived", CALLS, JUNE] == (2250, 50)
    assert {name for name, _, _ in said} == {"moved", "waiting", "raised", "returned", "revived", "yearly"}
    assert sum(then for (name, _, _), (_, then) in said.items() if name == "yearly") < 60
    assert {line["subscriptionId"] for line in report["drafts"] if line["unbilled"]} == {"waiting"}
    assert report["notReckoned"] == []
    (sums,) = report["sums"]
    assert (sums["currency"], sums["drafts"]) == ("USD", 6)
    assert Decimal(sums["amountBefore"]) == sum(now for now, _ in changed.values())
    assert Decimal(sums["amount"]) == sum(then for _, then in changed.values())
    assert Decimal(sums["difference"]) == Decimal(sums["amount"]) - Decimal(sums["amountBefore"])


@pytest.mark.parametrize("revision", EARLIER)
def test_the_tables_are_seen_as_the_migrations_leave_them(databases: Databases, revision: str) -> None:
    url = databases.bare()
    upgrade(url, revision)
    _fill(url, _cases)
    engine = create_engine(url)
    with engine.connect() as connection:
        marked = {row.id for row in connection.execute(text("SELECT id FROM usage_summaries WHERE to_rate"))}
        show_as_migrated(connection)
        seen = _rows(connection)
        connection.rollback()
    upgrade(url)
    with engine.connect() as connection:
        made = _rows(connection)
    engine.dispose()
    for row in seen["usage_summaries"]:
        row["to_rate"] = row["to_rate"] or row["id"] in marked
    # What was agreed as changes is written by its migration and read by no reckoning; nor is which of them ends terms,
    # nor are stamps, of which each is another.
    for rows in (seen, made):
        del rows["subscription_changes"], rows["term_stamps"]
        for row in rows["usage_quotas"]:
            del row["ends"]
    for name, rows in made.items():
        assert seen[name] == rows, name


def _rows(connection: Any) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name, table in Base.metadata.tables.items():
        rows = connection.execute(table.select().order_by(*table.primary_key.columns))
        found[name] = [dict(row) for row in rows.mappings()]
    return found


def test_where_no_draft_changes_it_lists_the_migrations_and_exits_0(databases: Databases, dry_run: DryRun) -> None:
    def fill(books: EarlierBooks) -> None:
        books.usage_type()
        books.plan("small")
        quota = books.quota("small", 300, "1", EVER)
        books.subscription("uncut", [("small", JUNE)])
        summary, beyond = books.used("uncut", (JUNE, JULY, JULY), quota, "300", [400])
        books.item(books.invoice("uncut", (JUNE, JULY), f"{beyond}"), "summary", summary, f"{beyond}")

    url = databases.bare()
    upgrade(url, "0025")
    _fill(url, fill)
    schema = read_schema(url)
    answer = dry_run(url, "--json")
    report = answer.json
    assert (answer.code, report["before"], report["after"]) == (0, "0025", HEAD)
    wanted = [revision for revision in known_revisions()[1:] if revision > "0025"]
    assert [one["revision"] for one in report["migrations"]] == wanted
    assert report["migrations"][0]["does"].startswith("What a period that is cut stands on")
    assert (report["drafts"], report["sums"], report["deletes"]) == ([], [], {})
    shown = dry_run(url)
    assert shown.code == 0
    assert shown.out.startswith(f"From 0025 to {HEAD}: {len(wanted)} migrations would run. Nothing was changed.\n")
    assert read_schema(url) == schema


def test_people_see_the_drafts_and_the_sums_and_what_cannot_be_reckoned(databases: Databases, dry_run: DryRun) -> None:
    def fill(books: EarlierBooks) -> None:
        _cases(books)
        books.plan("spoilt")
        quota = books.quota("spoilt", 300, "1", EVER)
        _moved(books, "spoilt", (quota, quota))
        books.connection.execute(
            text("UPDATE subscription_terms SET plan_id = 'spoilt' WHERE subscription_id = 'spoilt'")
        )
        books.connection.execute(text("UPDATE usage_quotas SET price = '{}' WHERE plan_id = 'spoilt'"))

    url = databases.bare()
    upgrade(url, "0013")
    _fill(url, fill)
    answer = dry_run(url, "--wide")
    assert answer.code == 1
    assert "On drafts the next run would change:" in answer.out
    (line,) = (line for line in answer.out.splitlines() if line.startswith("raised"))
    assert line.split()[-4:] == ["20.00", "0.00", "-20.00", "no"]
    assert "Sums:" in answer.out
    assert answer.out.endswith("Could not be reckoned: spoilt\n")


def test_empty_and_present_databases_have_nothing_to_tell(databases: Databases, dry_run: DryRun) -> None:
    empty = databases.bare()
    report = dry_run(empty, "--json").json
    assert (report["before"], len(report["migrations"]), report["drafts"]) == ("base", int(HEAD), [])
    assert not any(read_schema(empty)[part] for part in ("columns", "functions"))
    answer = dry_run(databases.migrated())
    assert (answer.code, answer.out) == (0, f"Nothing to do: the database is at {HEAD}.\n")


def test_the_way_back_tells_what_it_would_delete(databases: Databases, dry_run: DryRun) -> None:
    url = databases.migrated()

    def fill(books: EarlierBooks) -> None:
        books.usage_type()
        for plan in ("small", "large"):
            books.quota(books.plan(plan), 300, "1", EVER)
        books.connection.execute(text("UPDATE plans SET on_downgrade = 'charge' WHERE id = 'small'"))
        books.connection.execute(text("UPDATE usage_quotas SET ends = '{\"1\": \"x\"}' WHERE plan_id = 'small'"))

    _fill(url, fill)
    schema = read_schema(url)
    answer = dry_run(url, "--to", "0001", "--json")
    report = answer.json
    assert (answer.code, report["before"], report["after"]) == (1, HEAD, "0001")
    assert [one["revision"] for one in report["migrations"]] == known_revisions()[:1:-1]
    assert report["deletes"]["plans.on_downgrade"] == 1  # the other has what it would have without a word
    assert report["deletes"]["usage_quotas.ends"] == 1  # which is renamed on the way
    assert read_schema(url) == schema


def test_what_contradicts_is_refused_and_a_dead_database_is_told(databases: Databases, dry_run: DryRun) -> None:
    refused = dry_run(databases.migrated(), "--yes")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    unknown = dry_run(databases.migrated(), "--to", "9999")
    assert (unknown.code, unknown.out, unknown.err.count("\n")) == (2, "", 1)
    dead = dry_run("postgresql://u:p@127.0.0.1:1/x")
    assert (dead.code, dead.out, dead.err.count("\n")) == (4, "", 1)


def test_there_is_no_way_back_from_what_an_earlier_build_does_not_know(databases: Databases, dry_run: DryRun) -> None:
    url = databases.migrated()

    def fill(books: EarlierBooks) -> None:
        books.connection.execute(text("INSERT INTO packages (id, name, currency) VALUES ('m', 'M', 'USD')"))

    _fill(url, fill)
    refused = dry_run(url, "--to", "0062")
    assert (refused.code, refused.out) == (2, "")
    assert "packages of money" in refused.err
    environment = {"DATABASE_URL": url.replace("+psycopg", "")}
    with patch.dict(os.environ, environment):
        assert run(["migrate", "--to", "0062", "--yes"]) == 2
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    engine.dispose()
    assert dry_run(url, "--to", "0063").code != 2
