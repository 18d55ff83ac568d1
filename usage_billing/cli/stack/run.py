"""The running stack: servers, then the schema, then the services, watched until an operator asks for the end."""

import logging
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import replace

from usage_billing import logs
from usage_billing.cli.frame.environment import forget_running, write_running
from usage_billing.cli.stack.console_log import ToConsole
from usage_billing.cli.stack.first_steps import ADMIN_KEY, SERVICE_KEY, first_steps
from usage_billing.cli.stack.given import check_given
from usage_billing.cli.stack.services import FLOWER_USER, services, stack_environment
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError, Conflict
from usage_billing.embedded.files import write_private
from usage_billing.embedded.ground import make_home
from usage_billing.embedded.leftovers import KILL_SECONDS, kill_holders
from usage_billing.embedded.locks import FileLock
from usage_billing.embedded.ports import LOOPBACK, free_port, is_free, noted_port, obstacle
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.probe import without_password
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.embedded.secrets import Secrets, load_or_make
from usage_billing.embedded.server import EmbeddedServer
from usage_billing.flows.administration.first_start import Example
from usage_billing.redaction import redact
from usage_billing.settings import Settings
from usage_billing.supervisor.child import Child
from usage_billing.supervisor.console import Console
from usage_billing.supervisor.supervisor import Supervisor

DEFAULT_PORT = 5003
PORT_NOTE = "api-port"
FLOWER_PORT = 5555
READY_SECONDS = 60.0
EARLIER_SECONDS = 30.0
CELERY_DATABASE = 1  # of the embedded Redis; the inbox is in 0


class Stack:
    """A run of ``up`` from its start to its end. ``settings`` has what the operator gave; its paths are absolute."""

    def __init__(self, settings: Settings, *, seed: bool, with_flower: bool, with_web: bool = True) -> None:
        self.settings = settings
        self.given = bool(settings.database_url)
        self.seed = seed
        self.example = Example.ABSENT
        self.with_flower = with_flower
        self.with_web = with_web
        self.console = Console()
        self.supervisor = Supervisor()
        self.children = FileLock(settings.home / "processes.lock")

    def run(self) -> None:
        """Start everything, tell what to type, and return when asked to stop and everything has ended.

        Raises UsageBillingError, everything being stopped, when the start fails.
        """
        with ExitStack() as cleanup:
            make_home(self.settings.home)
            self._own_home(cleanup)
            check_given(self.settings)
            self._choose_port()
            self._log()
            cleanup.enter_context(self.supervisor.signals())
            cleanup.callback(self.supervisor.stop)
            secrets = load_or_make(self.settings.home)
            self._start_servers()
            if self.supervisor.stopping:
                return
            self._prepare_database(secrets)
            self._start_services(secrets, cleanup)
            self.supervisor.run()

    def _own_home(self, cleanup: ExitStack) -> None:
        """Refuse a second `up`; wait for processes that an earlier, killed `up` left, which end by themselves."""
        home = self.settings.home
        owner = FileLock(home / "up.lock")
        if not owner.acquire():
            raise Conflict(
                f"`usage-billing up` already runs on {home} ({owner.holder()}): stop it, or give another --home",
                code="home_in_use",
            )
        cleanup.callback(owner.release)
        if not self.children.acquire():
            self.console.say("up", "waiting for the processes of an earlier start to end")
            if not self.children.acquire(seconds=EARLIER_SECONDS):
                kill_holders(self.children.path)
                if not self.children.acquire(seconds=KILL_SECONDS):
                    raise Conflict(f"processes of an earlier start still run on {home}: end them", code="home_in_use")
        cleanup.callback(self.children.release)

    def _choose_port(self) -> None:
        port = self.settings.port
        if port is not None and (wrong := obstacle(port)) is not None:
            raise ConfigurationError(_no_port(port, wrong))
        self.settings = replace(self.settings, port=port or self._port_of_last_time())

    def _port_of_last_time(self) -> int:
        """The port that the API had at the last start, or else the usual one, or else a free one, kept from now on."""
        note = self.settings.home / PORT_NOTE
        port = noted_port(note)
        if port is None or not is_free(port):
            port = DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
            write_private(note, f"{port}\n")
            if port != DEFAULT_PORT:
                self.console.say("up", f"port {DEFAULT_PORT} is taken, the API will be on {port} from now on")
        return port

    def _log(self) -> None:
        logs.configure(self.settings, "up", stderr=False)
        logging.getLogger().addHandler(ToConsole(self.console))
        logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)

    def _start_servers(self) -> None:
        """Start an embedded server for each part without a URL, and put its URL into the settings."""
        if not self.settings.database_url:
            self.console.say("postgres", "starting")
            postgres = EmbeddedPostgres(self.settings.home)
            self.supervisor.add(postgres)
            self._say_ready(postgres)
            self.settings = replace(self.settings, database_url=postgres.url())
        if not self.settings.redis_url:
            valkey = EmbeddedRedis(self.settings.home)
            self.supervisor.add(valkey)
            self._say_ready(valkey)
            broker = self.settings.celery_broker_url or valkey.url(CELERY_DATABASE)
            self.settings = replace(self.settings, redis_url=valkey.url(), celery_broker_url=broker)

    def _say_ready(self, server: EmbeddedServer) -> None:
        account = server.ground.account
        whose = f", as {account.name}" if account else ""
        self.console.say(server.name, f"ready on {LOOPBACK}:{server.port}{whose}")

    def _prepare_database(self, secrets: Secrets) -> None:
        """Bring the schema up to date, store the keys, and load the example into an empty database of our own.

        A database that was given by URL gets no example.
        """
        self.console.say("up", f"bringing {self._database()} to the present schema")
        from usage_billing.cli.migration.migrate import upgrade
        from usage_billing.db.session import make_engine, transaction
        from usage_billing.flows.administration.first_start import prepare

        url = self.settings.require_database()
        upgrade(self.settings.require_direct_database())
        engine = make_engine(url, pooled=self.settings.pooled, pool_size=1)
        try:
            with transaction(engine) as session:
                self.example = prepare(
                    session,
                    admin_key=self.settings.admin_key or secrets.admin_key,
                    internal_key=self.settings.internal_api_key or secrets.internal_api_key,
                    secret=self.settings.secret or secrets.secret,
                    seed=self.seed and not self.given,
                    now=utc_now(),
                )
        finally:
            engine.dispose()
        if self.example is Example.LOADED:
            self.console.say("up", "loaded the example catalogue into the empty database")

    def _start_services(self, secrets: Secrets, cleanup: ExitStack) -> None:
        environment = stack_environment(self.settings, secrets=secrets)
        keys = {
            SERVICE_KEY: self.settings.internal_api_key or secrets.internal_api_key,
            ADMIN_KEY: self.settings.admin_key or secrets.admin_key,
        }
        write_running(self.settings.home, environment | keys)
        cleanup.callback(forget_running, self.settings.home)
        flower_port = (FLOWER_PORT if is_free(FLOWER_PORT) else free_port()) if self.with_flower else None
        for service in services(
            self.settings,
            environment,
            flower_port=flower_port,
            flower_password=secrets.flower_password,
            with_web=self.with_web,
        ):
            self.supervisor.add(
                Child(
                    service.name,
                    service.command,
                    env=service.environment,
                    say=self._relay,
                    stop_seconds=service.stop_seconds,
                    holds=(self.children.descriptor(),),
                )
            )
        if not self.supervisor.run(until=self._ready, seconds=READY_SECONDS) and not self.supervisor.stopping:
            self.console.say("up", f"the API is not ready after {READY_SECONDS:g} s; its lines above say why")
            self.supervisor.run(until=self._ready)
        if not self.supervisor.stopping:
            self.console.plain(self._first_steps(secrets, flower_port))

    def _ready(self) -> bool:
        with suppress(OSError, ValueError):
            url = f"http://{LOOPBACK}:{self.settings.port}/health/ready"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004
        return False

    def _first_steps(self, secrets: Secrets, flower_port: int | None) -> str:
        made = {} if self.settings.internal_api_key else {SERVICE_KEY: secrets.internal_api_key}
        if not self.settings.admin_key:
            made[ADMIN_KEY] = secrets.admin_key
        flower = f"http://{LOOPBACK}:{flower_port} (user {FLOWER_USER}, FLOWER_PASSWORD in secrets.json)"
        return first_steps(
            port=self.settings.port or DEFAULT_PORT,
            home=self.settings.home,
            database=self._database(),
            example=self.example is not Example.ABSENT,
            logs=self.settings.logs,
            keys=made,
            fresh=secrets.fresh if self.console.on_terminal else frozenset(),
            flower=flower if flower_port else None,
            pages=self.with_web,
        )

    def _database(self) -> str:
        url = without_password(self.settings.database_url)
        return f"the given database {url}" if self.given else f"the database {url}"

    def _relay(self, name: str, line: str) -> None:
        self.console.say(name, redact(line))


def _no_port(port: int, wrong: OSError) -> str:
    if isinstance(wrong, PermissionError):
        return (
            f"port {port} on {LOOPBACK} needs a privilege that this user does not have:"
            " give a --port (PORT) from 1024 on, behind a gateway that listens on the other"
        )
    return (
        f"port {port} on {LOOPBACK} cannot be had, another program has it: stop that one, or give another --port (PORT)"
    )
