"""``usage-billing doctor`` names each trouble that is caused here, and its cure."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from tasks.inbox.protocol import Inbox
from tasks.inbox.redis_inbox import connect
from tests.factories import make_customer, make_plan, make_recording, make_subscription, make_usage_type, record
from tests.integration.conftest import Answer, Bill, Cli
from tests.support.callers import Keys
from tests.support.databases import Databases
from tests.support.tls import make_certificate, tls_in_front_of
from usage_billing.catalog.service import NewQuota
from usage_billing.cli.stack.given import check_given
from usage_billing.db.session import transaction
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.flows.administration.change_subscription import change_plan
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.metering.recording import SHARDS, Beside
from usage_billing.settings import Settings

Findings = dict[str, dict[str, Any]]


def findings(answer: Answer) -> Findings:
    """What was found, by code."""
    return {finding["code"]: finding for finding in answer.json["findings"] if finding["state"] != "ok"}


def troubles(answer: Answer) -> set[str]:
    """The codes of what was found, but for the test servers' own: they are not durable, and have no worker or beat."""
    own = {"database_not_durable", "redis_not_durable", "redis_evicts", "no_keys", "no_worker", "no_beat"}
    return set(findings(answer)) - own


@pytest.fixture
def doctor(program: Cli, inbox: Inbox) -> Cli:
    """The real program, ``doctor(VARIABLE="...")``."""

    def call(**changes: str) -> Answer:
        return program("doctor", "--json", **changes)

    return call


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port of this machine that no server listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def test_a_sound_stack_is_all_well(doctor: Cli, console: Cli, world: Engine, bill: Bill, now: datetime) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, quantity=53))
    bill(now)
    answer = doctor()
    assert troubles(answer) == set()
    checks = {finding["check"] for finding in answer.json["findings"]}
    assert checks >= {
        *("settings", "database", "durability", "clock", "migrations", "credentials"),
        *("quotas", "subscriptions", "quarantine", "billing", "redis", "inbox durability", "waiting"),
    }
    people = console("doctor")
    assert people.err == ""
    assert "ok    database: PostgreSQL" in people.out
    assert people.code == answer.code


# Database connectivity problems


def test_trouble_1_the_database_is_unreachable(doctor: Cli, program: Cli, unused_port: int) -> None:
    url = f"postgresql://ann:geheim@127.0.0.1:{unused_port}/usage"
    answer = doctor(DATABASE_URL=url)
    assert answer.code == 4
    found = findings(answer)["database_unreachable"]
    assert "Connection refused" in found["message"]
    assert "DATABASE_URL" in found["cure"]
    people = program("doctor", DATABASE_URL=url)
    assert "fail  database: the database cannot be reached" in people.out
    assert "cure: start that server" in people.out
    assert "geheim" not in answer.out + people.out + answer.err + people.err


def test_a_refused_password_is_told_from_an_absent_server(doctor: Cli, settings: Settings) -> None:
    url = make_url(settings.database_url).set(password="not-it").render_as_string(hide_password=False)
    with suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        pytest.skip("this server trusts everybody")
    found = findings(doctor(DATABASE_URL=url))
    assert "database_credentials_refused" in found
    assert "database_unreachable" not in found
    assert "not-it" not in str(found)


def test_a_database_that_is_not_there_is_told_from_an_absent_server(doctor: Cli, settings: Settings) -> None:
    url = make_url(settings.database_url).set(database="nothing_here").render_as_string(hide_password=False)
    assert "database_missing" in findings(doctor(DATABASE_URL=url))


def test_a_host_that_hangs_is_given_up(doctor: Cli) -> None:
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(1)
        url = f"postgresql://u:p@127.0.0.1:{hanging.getsockname()[1]}/x"
        assert "database_unreachable" in findings(doctor(DATABASE_URL=url))


@pytest.mark.parametrize("url", ["", "mysql://u:p@h/x", "postgresql://u:p@h:x/y"])
def test_a_missing_or_wrong_url_is_named(doctor: Cli, url: str) -> None:
    assert "database_not_configured" in findings(doctor(DATABASE_URL=url))


@pytest.mark.parametrize("how", ["bare", "behind"])
def test_a_schema_that_is_not_the_present_one(doctor: Cli, program: Cli, databases: Databases, how: str) -> None:
    url = databases.bare().replace("+psycopg", "")
    if how == "behind":
        program("migrate", "--to", "0002", DATABASE_URL=url)
    found = findings(doctor(DATABASE_URL=url))["not_migrated"]
    assert "usage-billing migrate" in found["cure"]
    program("migrate", DATABASE_URL=url)
    assert "not_migrated" not in findings(doctor(DATABASE_URL=url))


@pytest.mark.parametrize("variable", ["USAGE_BILLING_MAX_BATCH", "USAGE_BILLING_SCHEDULE"])
def test_wrong_settings_are_a_finding(doctor: Cli, variable: str) -> None:
    answer = doctor(**{variable: "lots"})
    assert answer.code == 4
    assert variable in findings(answer)["settings_invalid"]["message"]


# Authentication failures when calling APIs


def test_trouble_2_credentials_are_refused(doctor: Cli, keys: Keys, settings: Settings) -> None:
    wrong = findings(doctor(INTERNAL_API_KEY="ub_abcdefgh_" + "x" * 43))["credentials_refused"]
    assert "INTERNAL_API_KEY: it is unknown here" in wrong["message"]
    assert "usage-billing keys create" in wrong["cure"]
    assert "x" * 43 not in str(wrong)
    revoked = findings(doctor(USAGE_BILLING_ADMIN_KEY=keys.revoked("admin")))["credentials_refused"]
    assert "USAGE_BILLING_ADMIN_KEY: it was revoked" in revoked["message"]
    expired = keys.issue("admin", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert "it has expired" in findings(doctor(TEST_AUTH_TOKEN=expired))["credentials_refused"]["message"]


def test_a_key_hashed_under_another_secret_is_refused_and_the_secret_named(doctor: Cli, keys: Keys) -> None:
    answer = doctor(INTERNAL_API_KEY=keys.admin, USAGE_BILLING_SECRET="another-secret-of-32-characters-or-more")
    assert "USAGE_BILLING_SECRET" in findings(answer)["credentials_refused"]["cure"]


def test_a_token_of_somebody_else_is_refused(doctor: Cli, make_token: Any) -> None:
    good = doctor(TEST_AUTH_TOKEN=make_token("user123"))
    assert "credentials_refused" not in findings(good)
    for token in (make_token("user123", aud="others"), make_token("user123", exp=1)):
        found = findings(doctor(TEST_AUTH_TOKEN=token))["credentials_refused"]
        assert "TEST_AUTH_TOKEN" in found["message"]


def test_a_key_without_the_scopes_of_its_task_is_named(doctor: Cli, keys: Keys) -> None:
    found = findings(doctor(INTERNAL_API_KEY=keys.reader))["scope_missing"]
    assert "usage:write" in found["message"]


def test_a_missing_secret_is_named(doctor: Cli, engine: Engine) -> None:
    assert "secret_missing" in findings(doctor(USAGE_BILLING_SECRET=""))


def test_looking_is_no_use_of_a_key(doctor: Cli, keys: Keys, engine: Engine) -> None:
    assert "credentials_refused" not in findings(doctor(USAGE_BILLING_ADMIN_KEY=keys.admin))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT last_used_at FROM api_keys").scalar() is None


# Missing usage quota configurations


def test_trouble_3_a_plan_lacks_the_quota_that_its_usage_needs(
    doctor: Cli, program: Cli, world: Engine, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, usage_type="report", quantity="7.5"))
    found = findings(doctor())["missing_quota"]
    assert "plan business has none for report (7.5 used by 1 subscriptions)" in found["message"]
    assert "quotas create --plan business --usage-type report" in found["cure"]
    program(
        *["quotas", "create", "--plan", "business", "--usage-type", "report", "--limit", "none", "--unit-price", "0"]
    )
    assert "missing_quota" not in findings(doctor())


def test_usage_before_the_first_quota_is_told_with_what_would_include_it(
    program: Cli, doctor: Cli, world: Engine, bill: Bill, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, usage_type="report", occurred_at=now - timedelta(days=62)))
    bill(now)
    program(*["quotas", "create", "--plan", "business", "--usage-type", "report", "--limit", "0", "--unit-price", "1"])
    bill(now)
    told = next(one for one in doctor().json["findings"] if one["check"] == "quotas")
    assert "1 recordings of periods before a first quota stay without a price" in told["message"]
    assert "--effective start" in told["message"]


def test_a_quota_of_the_subscriptions_own_and_that_of_an_earlier_plan_will_do(
    doctor: Cli, world: Engine, bill: Bill, now: datetime
) -> None:
    price = {"model": "per_unit", "unitPrice": "1"}
    own = NewQuota(plan_id="business", usage_type="report", limit=Decimal(1), price=price, subscription_id="sub456")
    with transaction(world) as session:
        define_quota(session, own, actor="test", now=now)
        record(session, make_recording(now=now, usage_type="report"), make_recording(now=now))
        make_plan(session, id="bare")
        when = When(moment=now + timedelta(hours=1))
        change_plan(session, "sub456", plan_id="bare", when=when, actor="test", now=now)
    bill(now)
    assert troubles(doctor()) == {"plan_without_quotas"}


# Incorrect subscription plan associations


def test_trouble_4_a_subscription_is_tied_to_another_customer(doctor: Cli, world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_customer(session, id="eva")
        record(session, *(make_recording(now=now, customer="eva") for _ in range(3)))
    found = findings(doctor())["wrong_customer"]
    assert "3 recordings name eva for sub456, which is user123's" in found["message"]
    assert "quarantine list --reason wrong_customer" in found["cure"]


def test_trouble_4_a_subscription_is_on_the_wrong_plan(doctor: Cli, world: Engine) -> None:
    with transaction(world) as session:
        make_plan(session, id="bare")
        make_subscription(session, id="sub789", plan="bare")
    found = findings(doctor())["plan_without_quotas"]
    assert "1 subscriptions are on plan bare" in found["message"]


def test_an_event_of_another_program_names_nobody(doctor: Cli, program: Cli, world: Engine, now: datetime) -> None:
    """Nothing says whether its subject is a customer or a subscription, and no customer is made up."""
    made = make_recording(now=now, subscription="late", customer="")
    with transaction(world) as session:
        record(session, msgspec.structs.replace(made, beside=Beside(whose="late")))
    found = findings(doctor())["unknown_subscription"]
    assert "1 recordings name late" in found["message"]
    assert "None" not in found["message"] + found["cure"]
    create = found["cure"].split(", or ")[0].replace("NAME", "Late")
    assert program(*create.split()[1:]).code == 0


def test_recordings_of_a_subscription_that_does_not_exist(
    doctor: Cli, program: Cli, world: Engine, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, *(make_recording(now=now, subscription="late") for _ in range(2)))
    found = findings(doctor())["unknown_subscription"]
    assert "2 recordings of user123 name late" in found["message"]
    # the cure, as it is printed
    create, replay = found["cure"].replace("PLAN", "business").replace("DAY", "2020-01-01").split(", then ")
    assert program(*create.split()[1:]).code == 0
    there = findings(doctor())
    assert "unknown_subscription" not in there
    assert "2 that name late (unknown_subscription)" in there["replayable"]["message"]
    assert there["replayable"]["cure"] == replay
    assert program(*replay.split()[1:]).out == "2 recorded\n"
    assert "unknown_subscription" not in findings(doctor())


# And their kin


def test_other_things_in_quarantine(doctor: Cli, world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, usage_type="unheard"))
    found = findings(doctor())["quarantined"]
    assert "1 unknown_usage_type" in found["message"]
    with transaction(world) as session:
        make_usage_type(session, id="unheard")
    there = findings(doctor())
    assert "quarantined" not in there
    assert "1 that name unheard" in there["replayable"]["message"]


def seen(engine: Engine, role: str, name: str, *, seconds: int = -60, ahead: int = 0) -> None:
    """A process gave a sign of life so many seconds ago, when its clock was so many seconds ahead.

    It lives for a minute unless said otherwise: on a slow machine the doctor takes long to come.
    """
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO process_heartbeats (id, role, name, beat_at, ahead) VALUES (gen_random_uuid(), :role,"
                " :name, clock_timestamp() - make_interval(secs => :seconds), make_interval(secs => :ahead))"
            ),
            {"role": role, "name": name, "seconds": seconds, "ahead": ahead},
        )


def test_no_worker_and_no_beat(doctor: Cli, engine: Engine) -> None:
    answer = doctor()
    assert answer.code == 4
    assert "none within a day" in findings(answer)["no_worker"]["message"]
    assert "celery -A tasks.celery beat" in findings(answer)["no_beat"]["cure"]
    seen(engine, "worker", "celery@one", seconds=40)
    assert "last sign of life: 4" in findings(doctor())["no_worker"]["message"]
    seen(engine, "worker", "celery@one")
    seen(engine, "beat", "one")
    assert {"no_worker", "no_beat", "workers_share_name"}.isdisjoint(findings(doctor()))


def test_two_workers_of_one_name_and_a_clock_that_is_wrong(doctor: Cli, engine: Engine) -> None:
    for _ in range(2):
        seen(engine, "worker", "celery@one")
    seen(engine, "worker", "celery@two", ahead=-20)
    seen(engine, "beat", "three", ahead=172_800)
    found = findings(doctor())
    assert "2 are called celery@one" in found["workers_share_name"]["message"]
    assert found["clock_skew"]["message"] == "the worker celery@two's clock is 20 s behind the database's"
    assert "the beat three's clock is 172800 s ahead of the database's" in found["clocks_apart"]["message"]
    assert (found["clock_skew"]["state"], found["clocks_apart"]["state"]) == ("warn", "fail")


def test_a_misspelt_setting_is_named(doctor: Cli, engine: Engine) -> None:
    found = findings(doctor(USAGE_BILLING_SHEDULE="0 3 * * *"))["setting_unknown"]
    assert "USAGE_BILLING_SHEDULE is set" in found["message"]
    assert found["cure"] == "write USAGE_BILLING_SCHEDULE"


def test_warnings_alone_end_with_1(doctor: Cli, program: Cli, engine: Engine, tmp_path: Path, keys: Keys) -> None:
    server = EmbeddedRedis(tmp_path / "redis", durable=True)
    server.start()
    try:
        seen(engine, "worker", "celery@one")
        seen(engine, "beat", "one")
        answer = doctor(
            REDIS_URL=server.url(),
            USAGE_BILLING_STRANGE="1",
            INTERNAL_API_KEY=keys.of("usage:write", "usage:read", "billing:run"),
        )
        assert {finding["state"] for finding in findings(answer).values()} == {"warn"}
        assert answer.code == 1
    finally:
        server.discard()


def test_a_run_that_no_worker_works_on(doctor: Cli, program: Cli, world: Engine, bill: Bill, now: datetime) -> None:
    bill(now)
    with world.begin() as connection:
        connection.execute(
            text("UPDATE billing_runs SET status = 'invoicing', heartbeat_at = now() - interval '1 hour'")
        )
    found = findings(doctor())["run_stalled"]
    assert "1 billing runs are unfinished" in found["message"]
    with world.begin() as connection:
        connection.execute(text("UPDATE billing_runs SET heartbeat_at = now()"))
    assert "run_stalled" not in findings(doctor())


def test_a_run_that_fails_again_and_again(doctor: Cli, program: Cli, world: Engine, bill: Bill, now: datetime) -> None:
    bill(now)
    with world.begin() as connection:
        connection.execute(text("UPDATE billing_runs SET status = 'invoicing', error = 'KeyError: it'"))
    found = findings(doctor())["run_failing"]
    assert "1 billing runs fail and are tried again, such as" in found["message"]
    assert found["message"].endswith("KeyError: it")
    with world.begin() as connection:
        connection.execute(text("UPDATE billing_runs SET status = 'completed'"))
    assert "run_failing" not in findings(doctor())


def test_a_subscription_that_cannot_be_billed(
    doctor: Cli, program: Cli, world: Engine, bill: Bill, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, quantity=53))
        session.execute(text("UPDATE usage_quotas SET price = '{}'"))
    bill(now)
    found = findings(doctor())["run_warnings"]
    assert found["state"] == "warn"
    assert "1 subscriptions cannot be billed: sub456 (" in found["message"]
    billed = program("bill", "--json")
    assert (billed.code, billed.json["status"], billed.json["outcome"]) == (1, "completed", "warnings")
    with transaction(world) as session:
        session.execute(text("""UPDATE usage_quotas SET price = '{"model": "per_unit", "unitPrice": "10"}'"""))
    assert program("bill", "--subscription", "sub456").code == 0
    assert "run_warnings" not in findings(doctor())


def test_billing_that_never_runs(doctor: Cli, program: Cli, world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now))
    assert "usage-billing bill" in findings(doctor())["not_billed"]["cure"]
    program("bill")
    assert "not_billed" not in findings(doctor())


def test_the_inbox_is_unreachable_or_refuses(doctor: Cli, settings: Settings, unused_port: int) -> None:
    away = findings(doctor(REDIS_URL=f"redis://:geheim@127.0.0.1:{unused_port}/0"))["redis_unreachable"]
    assert "geheim" not in str(away)
    refused = make_url(settings.redis_url).set(password="not-it").render_as_string(hide_password=False)
    assert "redis_credentials_refused" in findings(doctor(REDIS_URL=refused))
    without = f"redis://127.0.0.1:{make_url(settings.redis_url).port}/0"
    assert "redis_credentials_refused" in findings(doctor(REDIS_URL=without))
    assert "redis_not_configured" in findings(doctor(REDIS_URL=""))
    assert "broker_unreachable" in findings(doctor(CELERY_BROKER_URL=f"amqp://127.0.0.1:{unused_port}//"))


def test_a_redis_behind_tls_with_a_certificate_of_its_own(doctor: Cli, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    server = EmbeddedRedis(tmp_path / "redis", durable=False)
    server.start()
    try:
        with tls_in_front_of(server.port, certificate, key) as port:
            plain = server.url().replace("redis://", "rediss://").replace(f":{server.port}/", f":{port}/")
            for options in (f"ssl_ca_certs={certificate}", "ssl_cert_reqs=none"):
                url = f"{plain}?{options}"
                trouble = {"redis_url_invalid", "redis_unreachable", "broker_unreachable"}
                assert trouble.isdisjoint(findings(doctor(REDIS_URL=url, CELERY_BROKER_URL=url)))
                client = connect(url, timeout=5)  # and the services take it
                assert client.ping()
                client.close()
                check_given(Settings(redis_url=url))
            found = findings(doctor(REDIS_URL=plain))["redis_unreachable"]
            assert "CERTIFICATE_VERIFY_FAILED" in found["message"]
    finally:
        server.discard()


def test_a_redis_whose_clock_is_apart_is_a_warning(doctor: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = timedelta(seconds=20)
    assert "clock_skew" not in findings(doctor())
    monkeypatch.setattr("usage_billing.reports.doctor.inbox.utc_now", lambda: datetime.now(UTC) + ahead)
    found = findings(doctor())["clock_skew"]
    assert (found["state"], found["message"]) == ("warn", "Redis' clock is 20 s behind this machine's")


def test_a_public_key_that_is_none_is_named(doctor: Cli, engine: Engine) -> None:
    found = findings(doctor(JWT_SECRET="", JWT_PUBLIC_KEY="none"))["public_key_invalid"]
    assert "JWT_PUBLIC_KEY" in found["message"]


def test_an_inbox_that_can_lose_what_it_accepted(doctor: Cli, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis", durable=True)
    server.start()
    try:
        client = connect(server.url(), timeout=5)
        assert {"redis_not_durable", "redis_evicts"}.isdisjoint(findings(doctor(REDIS_URL=server.url())))
        client.config_set("appendfsync", "everysec")
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = findings(doctor(REDIS_URL=server.url()))
        assert "appendfsync is everysec" in found["redis_not_durable"]["message"]
        assert "noeviction" in found["redis_evicts"]["cure"]
        client.close()
    finally:
        server.discard()


def test_recordings_that_no_worker_counts(doctor: Cli, inbox: Inbox, settings: Settings, now: datetime) -> None:
    inbox.append([make_recording(now=now, subscription=f"s{n}") for n in range(SHARDS)])
    assert "not_drained" not in findings(doctor())
    client = connect(settings.require_redis(), timeout=5)
    late = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
    for key in client.scan_iter("usage-billing:inbox:*"):
        entries = client.xrange(key)
        client.delete(key)
        for _, fields in entries:
            client.xadd(key, fields, id=f"{late}-*")
    client.close()
    found = findings(doctor())["not_drained"]
    assert "start a worker" in found["cure"]


def test_an_api_that_does_not_answer(doctor: Cli, unused_port: int) -> None:
    assert "api_unreachable" in findings(doctor(PORT=str(unused_port)))
