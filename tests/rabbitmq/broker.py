"""A RabbitMQ of the tests' own: a throwaway node on the loopback, with its own files, ports and epmd."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.faults.processes import send, tree
from usage_billing.embedded.ports import free_port

PLACES = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
EPMD = shutil.which("epmd")
INSTALLED = bool(PLACES and EPMD)
START_SECONDS = 90


class RabbitMQ:
    """``with RabbitMQ(home) as broker: broker.url``."""

    def __init__(self, home: Path) -> None:
        self.home = home / "rabbitmq"
        self.port = free_port()
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``amqp://``, as the user that every new node has, who may come from the loopback alone."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def __enter__(self) -> "RabbitMQ":
        self.home.mkdir(parents=True)
        (self.home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nvm_memory_high_watermark.relative = 0.4\n"
            "disk_free_limit.absolute = 50MB\nlog.console = false\n"
        )
        (self.home / "plugins").write_text("[].\n")
        try:
            # In the foreground and ours, for the one that Erlang starts by itself would stay.
            self._epmd = subprocess.Popen([str(EPMD), "-port", str(self._epmd_port), "-address", "127.0.0.1"])
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        log = (self.home / "console.log").open("ab")
        self._server = subprocess.Popen(
            [PLACES[-1] / "rabbitmq-server"], env=self._environment(), stdout=log, stderr=log
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._speaks():
            assert self._server.poll() is None, (self.home / "console.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "RabbitMQ does not come up"
            time.sleep(0.2)

    def kill(self) -> None:
        """kill -9 to the node."""
        assert self._server is not None
        send(tree(self._server.pid), signal.SIGKILL)
        self._server.wait()

    def pause(self) -> None:
        """SIGSTOP."""
        assert self._server is not None
        send(tree(self._server.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._server is not None
        send(tree(self._server.pid), signal.SIGCONT)

    def control(self, *words: str) -> str:
        """What ``rabbitmqctl`` says."""
        command = [str(PLACES[-1] / "rabbitmqctl"), "--quiet", *words]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        """End the node and its epmd."""
        if self._server is not None and self._server.poll() is None:
            self.resume()
            self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()

    def _speaks(self) -> bool:
        """Whether it answers the protocol's greeting."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home),
            "RABBITMQ_NODENAME": "usage-billing-test@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "no-such-file"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
