"""``usage-billing verify --changed`` computes again what changed since nothing differed, and trusts nothing else."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_customer, make_recording, make_subscription, make_world, record
from tests.integration.conftest import Bill, Cli
from tests.support.books import scalars
from usage_billing.db.locks import try_lock_proofs
from usage_billing.db.session import read_only, transaction
from usage_billing.metering.recording import Recording
from usage_billing.proofs.queries import find_changed, key_of
from usage_billing.reports.verify import books, drive_readers, recorded
from usage_billing.reports.verify.books import find_differences

JUNE, JULY = datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
NOTHING = "No summary changed since the last proof. Nothing differs.\n"
OLDEST = "id = (SELECT id FROM usage WHERE subscription_id = 'sub1' AND ordinal = 1 AND quantity = 5)"


@pytest.fixture
def many(engine: Engine, bill: Bill) -> Engine:
    """Six subscriptions with a month that is invoiced and another that is not."""
    with transaction(engine) as session:
        make_world(session, limit=7)
        make_customer(session, id="eva")
        for number in range(6):
            make_subscription(session, id=f"sub{number}", customer="eva")
        record(session, *(_recording(number, JUNE, 5) for number in range(6) for _ in range(3)))
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    with transaction(engine) as session:
        record(session, *(_recording(number, JULY, 2) for number in range(6)))
    return engine


def _recording(number: int, at: datetime, quantity: int) -> Recording:
    return make_recording(now=at, customer="eva", subscription=f"sub{number}", quantity=quantity)


def test_only_what_changed_is_computed_again(cli: Cli, many: Engine) -> None:
    first = cli("verify", "--changed")
    assert (first.code, first.out) == (0, "Recomputed 12 summaries from 24 recordings. Nothing differs.\n")
    assert cli("verify", "--changed").out == NOTHING
    with transaction(many) as session:
        record(session, _recording(3, JULY, 9))
    told = "Recomputed 2 summaries from 5 recordings. All others are as they were. Nothing differs.\n"
    assert cli("verify", "--changed").out == told
    assert cli("verify", "--changed").out == NOTHING
    assert cli("verify").out == "Recomputed 12 summaries from 25 recordings. Nothing differs.\n"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"UPDATE usage SET quantity = quantity + 0.000000000001 WHERE {OLDEST}", "summary_total"),
        (f"UPDATE usage SET summary_id = -1 WHERE {OLDEST}", "usage_orphan"),
        (f"DELETE FROM usage WHERE {OLDEST}", "usage_ordinal"),
        ("UPDATE subscriptions SET timezone = 'Asia/Tokyo' WHERE id = 'sub1'", "summary_period"),
        ("UPDATE usage_quotas SET monthly_limit = 8", "summary_allowance"),
        (
            "UPDATE invoices SET status = 'void' WHERE subscription_id = 'sub1' AND number IS NOT NULL",
            "summary_charged",
        ),
    ],
)
def test_a_change_of_what_was_proven_is_told_until_it_is_put_right(
    cli: Cli, many: Engine, statement: str, kind: str
) -> None:
    assert cli("verify", "--changed").code == 0
    kept = scalars(many, "SELECT sum(hashes) FROM proven_summaries")
    with many.begin() as connection:
        connection.execute(text("ALTER TABLE invoices DISABLE TRIGGER USER"))
        assert connection.execute(text(statement)).rowcount == 1
        connection.execute(text("ALTER TABLE invoices ENABLE TRIGGER USER"))
    for _ in range(2):
        answer = cli("verify", "--changed")
        assert answer.code == 1
        assert kind in answer.out
    assert scalars(many, "SELECT sum(hashes) FROM proven_summaries") == kept


def test_another_secret_and_large_changes_have_everything_proven(many: Engine, cli: Cli) -> None:
    assert cli("verify", "--changed").code == 0
    with read_only(many) as session:
        key = scalars(many, "SELECT count(*) FROM proven_summaries")
        assert key == [14]
        assert find_changed(session, key_of("another secret, as long as it should be"), most=100) is None
    with transaction(many) as session:
        record(session, *(_recording(number, JULY, 1) for number in range(3)))
    with read_only(many) as session:
        ours = key_of("a-secret-for-tests-of-32-characters-or-more")
        assert find_changed(session, ours, most=5) is None
        changed = find_changed(session, ours, most=6)
        assert changed is not None
        assert len(changed.ids) == 6


@pytest.mark.parametrize("statement", ["DELETE FROM proven_summaries", "UPDATE proven_summaries SET hashes = {was}"])
def test_what_is_kept_cannot_be_put_back(cli: Cli, many: Engine, statement: str) -> None:
    ours = "summary_id = (SELECT max(id) FROM usage_summaries)"
    assert cli("verify", "--changed").code == 0
    [was] = scalars(many, f"SELECT hashes FROM proven_summaries WHERE {ours}")
    with transaction(many) as session:
        record(session, _recording(5, JULY, 1))
    assert cli("verify", "--changed").code == 0
    assert cli("verify", "--changed").out == NOTHING
    with many.begin() as connection:
        assert connection.execute(text(f"{statement.format(was=was)} WHERE {ours}")).rowcount == 1
    assert cli("verify", "--changed").out == "Recomputed 12 summaries from 25 recordings. Nothing differs.\n"
    assert cli("verify", "--changed").out == NOTHING


def test_it_is_refused_for_one_subscription_and_while_another_runs(cli: Cli, many: Engine) -> None:
    assert cli("verify", "--changed", "--subscription", "sub1").code == 2
    with transaction(many) as session:
        assert try_lock_proofs(session)
        answer = cli("verify", "--changed")
        assert (answer.code, answer.out) == (2, "")
        assert "another verify --changed is running" in answer.err
    assert scalars(many, "SELECT count(*) FROM proven_summaries") == [0]


def test_parts_read_beside_each_other_make_the_whole(many: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_MANY", 1)
    monkeypatch.setattr(drive_readers, "FETCH", 1)
    monkeypatch.setattr(books, "_SUMMARIES", 5)
    with read_only(many) as session:
        assert list(find_differences(session)) == []
        with recorded.recorded_in(session, only=None) as read:
            beside = [row.summary_id for row in read.stream.up_to(None)]
    assert beside == scalars(many, "SELECT id FROM usage_summaries ORDER BY id")


def test_a_proof_that_is_given_up_gives_its_connections_back(many: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_MANY", 1)
    monkeypatch.setattr(drive_readers, "FETCH", 1)
    monkeypatch.setattr(books, "_SUMMARIES", 1)
    with many.begin() as connection:
        connection.execute(text("UPDATE usage_summaries SET total = total + 1"))
    with read_only(many) as session:
        found = find_differences(session)
        assert next(found).kind == "summary_total"
        found.close()
        assert many.pool.checkedout() == 1  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if "_run" in one.name]


def test_what_fails_beside_is_raised(many: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_MANY", 1)
    monkeypatch.setattr(recorded, "ALL", text("SELECT 1 / 0 WHERE :above < :upto AND :seed > 0"))
    with pytest.raises(Exception, match="division by zero"), read_only(many) as session:
        list(find_differences(session))
