"""A Redis (Valkey) of our own that loses no write: each is on disk before it is answered."""

import secrets
from collections.abc import Sequence
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import ClassVar

from usage_billing.embedded.binaries import valkey_program
from usage_billing.embedded.files import make_directory, read_or_make, write_private
from usage_billing.embedded.ports import LOOPBACK
from usage_billing.embedded.probe import ping_redis
from usage_billing.embedded.server import EmbeddedServer
from usage_billing.supervisor.process import Step


class EmbeddedRedis(EmbeddedServer):
    """Valkey on 127.0.0.1, from the wheel or from REDIS_BIN, behind a password.

    The API accepts a recording once it is in here. So ``durable`` means ``appendfsync always``, and a full memory
    refuses writes instead of evicting entries.
    """

    name: ClassVar[str] = "valkey"
    stop_steps: ClassVar[Sequence[Step]] = (Step(SIGTERM, 20.0), Step(SIGINT, 1.0))
    hurry_signal: ClassVar[Signals] = SIGKILL
    orphan_signal: ClassVar[Signals] = SIGTERM

    def url(self, db: int = 0) -> str:
        """``redis://:password@127.0.0.1:port/db``."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/{db}"

    def _password(self) -> str:
        return read_or_make(self.ground.place / "password", f"{secrets.token_urlsafe(32)}\n")

    def _prepare(self) -> None:
        self._program = valkey_program(self.ground)
        make_directory(self.ground.data, mode=0o700, owner=self.ground.account)

    def _command(self, port: int) -> list[str]:
        """The command line. The password is in a file: every user of the machine can read a command line."""
        configuration = self.ground.place / "valkey.conf"
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "requirepass": self._password(),
            "dir": _quoted(str(self.ground.data)),
            "daemonize": "no",
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        write_private(configuration, text, owner=self.ground.account)
        return [str(self._program), str(configuration)]

    def _answers(self, port: int) -> bool:
        try:
            ping_redis(f"redis://:{self._password()}@{LOOPBACK}:{port}/0")
        except OSError:
            return False
        return True


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
