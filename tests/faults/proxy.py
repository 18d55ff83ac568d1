"""A TCP proxy that misbehaves on request: ``python -m tests.faults.proxy LISTEN_PORT TARGET_PORT``.

Lines on stdin: ``cut`` resets every connection now; ``cut-answers`` resets each once a part of its next answer is
through; ``swallow-answers`` lets the next request of each arrive and resets in place of its answer; ``delay S`` holds
every answer back so long; ``clear`` ends all of it.
"""

import asyncio
import contextlib
import socket
import struct
import sys

_RESET = struct.pack("ii", 1, 0)


class Link:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.doom = ""

    def reset(self) -> None:
        """End it as a pulled cable and a new one would: without a word."""
        with contextlib.suppress(OSError, AttributeError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


class Proxy:
    """Forwards to ``target`` on the loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: set[Link] = set()
        self.delay = 0.0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        link = Link(reader, writer)
        try:
            upstream, downstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            link.reset()
            return
        self.links.add(link)
        try:
            forth = asyncio.create_task(self._forth(link, downstream))
            back = asyncio.create_task(self._back(link, upstream))
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in (forth, back):
                task.cancel()
        finally:
            self.links.discard(link)
            downstream.close()
            writer.close()

    async def _forth(self, link: Link, downstream: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await link.reader.read(65536):
                downstream.write(data)
                await downstream.drain()

    async def _back(self, link: Link, upstream: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await upstream.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if link.doom:
                    if link.doom == "cut-answers":
                        link.writer.write(data[: len(data) // 2])
                        await link.writer.drain()
                    link.reset()
                    return
                link.writer.write(data)
                await link.writer.drain()

    def obey(self, line: str) -> None:
        """Do what a line of stdin says."""
        word, _, argument = line.strip().partition(" ")
        if word == "delay":
            self.delay = float(argument)
        elif word == "clear":
            self.delay = 0.0
            for link in self.links:
                link.doom = ""
        elif word == "cut":
            for link in list(self.links):
                link.reset()
        else:
            for link in self.links:
                link.doom = word


async def main(listen: int, target: int) -> None:
    """Serve until stdin ends."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", listen)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        proxy.obey(line.decode())
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
