"""A Redis URL as the Redis client reads it: ``redis://``, ``rediss://`` with its TLS options, or ``unix://``."""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT = 6379
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_NO = frozenset({"0", "f", "false", "n", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """Where a Redis is and how to log in. ``socket`` is the path of a Unix socket, '' for a server at host and port.

    ``options`` are those of the query, such as ``ssl_ca_certs``.
    """

    tls: bool
    socket: str
    host: str
    port: int
    username: str
    password: str | None
    database: int
    options: dict[str, str]

    def context(self) -> ssl.SSLContext:
        """How the server's certificate is verified, and which one is shown to it. Raises OSError or ValueError."""
        given = self.options
        context = ssl.create_default_context(cafile=given.get("ssl_ca_certs"), capath=given.get("ssl_ca_path"))
        verify = given.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
        if verify not in _VERIFY:
            raise ValueError(f"ssl_cert_reqs must be one of {', '.join(_VERIFY)}")
        checks_name = given.get("ssl_check_hostname", "true").lower() not in _NO
        context.check_hostname = checks_name and verify != "none"
        context.verify_mode = _VERIFY[verify]
        if "ssl_certfile" in given:
            password = given.get("ssl_password")
            context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"), password=password)
        return context


def read_redis_url(url: str) -> RedisUrl:
    """The parts of ``url``; raises ValueError when it is none."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    password = options.get("password") if parts.password is None else unquote(parts.password)
    is_socket = parts.scheme == "unix"
    number = options.get("db") or ("" if is_socket else parts.path.strip("/")) or "0"
    return RedisUrl(
        tls=parts.scheme == "rediss",
        socket=unquote(parts.path) if is_socket else "",
        host=parts.hostname or "127.0.0.1",
        port=parts.port or DEFAULT_PORT,
        username=unquote(parts.username) if parts.username else options.get("username", ""),
        password=password,
        database=int(number),
        options=options,
    )
