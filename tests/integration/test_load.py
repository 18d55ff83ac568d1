"""The benchmarks' client: at a rate far below what it could do, no connection lies idle until the server closes it."""

import json
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from benchmarks.load import get, save
from benchmarks.machine import ROOT


def test_connections_take_turns(tmp_path: Path) -> None:
    save(tmp_path / "requests", [get("/", key="k")] * 20)
    used: Counter[int] = Counter()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                if line == b"\r\n":
                    used[self.client_address[1]] += 1
                    self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "benchmarks.load", str(server.server_address[1]), str(tmp_path / "requests")]
        command += ["--connections", "4", "--rate", "20"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        server.shutdown()
    answers = json.loads(done.stdout)
    assert answers["statuses"] == {"202": 20}
    assert len(answers["times"]) == 20
    assert len(used) == 4
    assert min(used.values()) > 2
