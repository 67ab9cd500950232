"""Debian's docker client without a daemon: it is asked to show what a test has made up.

So Go's text/template is the judge of a template, over the same facts as ours and within milliseconds.
"""

import json
import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

API_VERSION = "1.41"
SEPARATOR = "\n=====\n"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    answers: dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    """`GET /v1.41/containers/one/json` -> answers["/containers/one/json"]."""

    server: _Server

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix(f"/v{API_VERSION}")
        if path == "/_ping":
            return self._send(200, b"OK")
        if path not in self.server.answers:
            return self._send(404, json.dumps({"message": f"no such object: {path}"}).encode())
        return self._send(200, json.dumps(self.server.answers[path]).encode())

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        for name, value in {
            "Api-Version": API_VERSION,
            "OSType": "linux",
            "Content-Type": "application/json",
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *words: Any) -> None:
        pass


class Client:
    """client("ps", "--format", ...) -> (exit code, standard output)."""

    def __init__(self, program: str, directory: Path) -> None:
        self.command = [program, "-H", f"unix://{directory}/sock"]
        self.environment = {**os.environ, "DOCKER_CONFIG": str(directory), "TZ": "UTC"}

    def __call__(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [*self.command, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            errors="surrogateescape",
        )
        self.said = done.stderr
        return done.returncode, done.stdout


@contextmanager
def client(program: str, directory: Path, answers: dict[str, Any]) -> Iterator[Client]:
    with _Server(f"{directory}/sock", _Handler) as server:
        server.answers = answers
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Client(program, directory)
        finally:
            server.shutdown()
            thread.join()
