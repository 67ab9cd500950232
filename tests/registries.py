"""Registries for tests: Debian's docker-registry on a loopback port, and a server of signed tokens for it."""

import base64
import json
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support import run

USER, PASSWORD = "student", "secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A docker-registry process of our own."""

    def __init__(self, directory: Path, auth: dict[str, object] | None = None) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        config = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
            "http": {"addr": self.host},
            **({"auth": auth} if auth else {}),
        }
        (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        with open(directory / "log", "wb") as log:
            command = ["docker-registry", "serve", str(directory / "config.yml")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        host, port = self.host.split(":")
        for _ in range(200):
            try:
                socket.create_connection((host, int(port))).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise AssertionError("docker-registry did not start")

    def push(self, layout: str, name: str, *options: str) -> None:
        run(
            *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", *options),
            *(layout, f"docker://{self.host}/{name}"),
            check=True,
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class TokenServer(ThreadingHTTPServer):
    """Signs tokens that docker-registry verifies: pull for everybody, push for USER.  It notes who asked."""

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.key, self.certificate = directory / "key.pem", directory / "certificate.pem"
        self.asked: list[tuple[str, str]] = []  # (scope, user)
        options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=minirun tests"]
        run("openssl", "req", *options, "-keyout", self.key, "-out", self.certificate, check=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def auth(self) -> dict[str, object]:
        """What docker-registry is told about us."""
        realm = f"http://127.0.0.1:{self.server_address[1]}/token"
        bundle = str(self.certificate)
        return {"token": {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": bundle}}

    def token(self, scope: str, user: str) -> str:
        """A JWT (RFC 7519) for one repository scope."""
        kind, name, actions = scope.split(":")
        allowed = [action for action in actions.split(",") if action == "pull" or user == USER]
        certificate = "".join(self.certificate.read_text().splitlines()[1:-1])
        now = int(time.time())
        claims = {
            **{"iss": "tests", "sub": user, "aud": "tests", "jti": str(now)},
            **{"iat": now, "nbf": now - 10, "exp": now + 300},
            "access": [{"type": kind, "name": name, "actions": allowed}],
        }
        signed = f"{part({'typ': 'JWT', 'alg': 'RS256', 'x5c': [certificate]})}.{part(claims)}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{base64url(signature)}"


class TokenHandler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        scope = parse_qs(urlsplit(self.path).query)["scope"][0]
        given = self.headers.get("Authorization", "")
        user = USER if given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() else ""
        self.server.asked.append((scope, user))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"token": self.server.token(scope, user)}).encode())

    def log_message(self, *_: object) -> None:
        pass


def part(value: object) -> str:
    return base64url(json.dumps(value).encode())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
