"""Registries for tests: Debian's docker-registry on a loopback port; a server of signed tokens for it; a proxy that
cuts connections; and one that answers as it is told."""

import base64
import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support import run

USER, PASSWORD = "student", "secret"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
LEEWAY_SECONDS = 60  # docker-registry takes a token that much longer than it says


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- docker-registry --------------------------------------------------------------------------------------


class Server:
    """A docker-registry process of our own."""

    def __init__(
        self, directory: Path, auth: dict[str, object] | None = None, http: dict[str, object] | None = None
    ) -> None:
        """`auth` and `http` are those sections of its configuration."""
        self.host = f"127.0.0.1:{free_port()}"
        self.storage = directory / "storage"
        config = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {"addr": self.host, **(http or {})},
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

    def inspect(self, name: str, *options: str) -> dict[str, object]:
        """What skopeo finds there."""
        found = run(
            "skopeo", "inspect", "--tls-verify=false", *options, f"docker://{self.host}/{name}", check=True
        )
        return dict(json.loads(found.stdout))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextlib.contextmanager
def serving(
    directory: Path, auth: dict[str, object] | None = None, http: dict[str, object] | None = None
) -> Iterator[Server]:
    """A Server for the length of a with block; the directory is made."""
    directory.mkdir(exist_ok=True)
    server = Server(directory, auth, http)
    try:
        yield server
    finally:
        server.stop()


def htpasswd(directory: Path) -> dict[str, object]:
    """The section `auth` for USER and PASSWORD.  perl's crypt(3) knows bcrypt, and every Debian has it."""
    script = 'print "$ARGV[0]:", crypt($ARGV[1], q($2y$05$abcdefghijklmnopqrstuu)), "\\n"'
    line = run("perl", "-e", script, USER, PASSWORD, check=True).stdout
    (directory / "htpasswd").write_text(line)
    return {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}


def certificates(directory: Path) -> tuple[Path, dict[str, object]]:
    """A certificate authority of our own, and the section `http` with a certificate it gave 127.0.0.1."""
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    ca, ca_key, key, certificate = (directory / name for name in ("ca.pem", "ca.key", "key", "certificate"))
    run(*new, "-subj", "/CN=tests", "-keyout", ca_key, "-out", ca, check=True)
    extensions = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
    signed = ("-CA", ca, "-CAkey", ca_key, "-subj", "/CN=registry", *extensions)
    run(*new, *signed, "-keyout", key, "-out", certificate, check=True)
    return ca, {"tls": {"certificate": str(certificate), "key": str(key)}}


# ---- tokens -----------------------------------------------------------------------------------------------


class TokenServer(ThreadingHTTPServer):
    """Signs tokens that docker-registry verifies: pull for everybody, push for USER.  It notes who asked.

    With `offline_token` it gives an identity token as well, and then takes that.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.key, self.certificate = directory / "key.pem", directory / "certificate.pem"
        self.asked: list[tuple[str, str]] = []  # (scopes, user)
        self.lifetime_seconds = 300  # up to one more
        self.answer_key = "token"
        options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=minirun tests"]
        run("openssl", "req", *options, "-keyout", self.key, "-out", self.certificate, check=True)
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    @property
    def auth(self) -> dict[str, object]:
        """What docker-registry is told about us."""
        realm = f"http://127.0.0.1:{self.server_address[1]}/token"
        bundle = str(self.certificate)
        return {"token": {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": bundle}}

    def token(self, scopes: list[str], user: str) -> str:
        """A JWT (RFC 7519) for repository scopes."""
        certificate = "".join(self.certificate.read_text().splitlines()[1:-1])
        now = time.time()
        claims = {
            **{"iss": "tests", "sub": user, "aud": "tests", "jti": str(now)},
            **{
                "iat": int(now),
                "nbf": int(now) - 400,
                "exp": ceil(now) + self.lifetime_seconds - LEEWAY_SECONDS,
            },
            "access": [granted(scope, user) for scope in scopes],
        }
        signed = f"{part({'typ': 'JWT', 'alg': 'RS256', 'x5c': [certificate]})}.{part(claims)}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{base64url(signature)}"


def granted(scope: str, user: str) -> dict[str, object]:
    kind, name, actions = scope.split(":")
    allowed = [action for action in actions.split(",") if action == "pull" or user == USER]
    return {"type": kind, "name": name, "actions": allowed}


class TokenHandler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        given = self.headers.get("Authorization", "")
        if given not in ("", BASIC):
            self.send_error(401)
            return
        identity = {"refresh_token": "identity"} if "offline_token" in query else {}
        self._answer(query.get("scope", []), USER if given else "", identity)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != ["identity"]:
            self.send_error(401)
            return
        self._answer(form.get("scope", [""])[0].split(), USER, {})

    def _answer(self, scopes: list[str], user: str, more: dict[str, str]) -> None:
        self.server.asked.append((" ".join(scopes), user))
        answer = {self.server.answer_key: self.server.token(scopes, user), **more}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


def part(value: object) -> str:
    return base64url(json.dumps(value).encode())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


# ---- a bad line -------------------------------------------------------------------------------------------


class BadLine:
    """A line to a server that cuts the first connections after so many bytes in either direction."""

    def __init__(self, host: str, cuts: list[int]) -> None:
        self._server = host.split(":")
        self.cuts = cuts  # those to come; then it behaves
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._connect, args=[self._listener.accept()[0]], daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((self._server[0], int(self._server[1])))
        except ConnectionRefusedError:  # the server has been stopped
            return client.close()
        with client, server:
            up = threading.Thread(target=self._carry, args=[client, server], daemon=True)
            up.start()
            self._carry(server, client)
            up.join()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                carried += len(block)
                if self.cuts and carried > self.cuts[0]:
                    self.cuts.pop(0)
                    break
                target.sendall(block)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


class Proxy(BadLine):
    """An HTTP proxy (CONNECT) that knows one server under every name.  `asked` has the requests it was given."""

    def __init__(self, host: str) -> None:
        super().__init__(host, [])
        self.asked: list[str] = []

    def _connect(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.asked.append(head.decode())
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        super()._connect(client)


# ---- a registry that answers as it is told ----------------------------------------------------------------

Told = tuple[int, dict[str, str], bytes]
STALL = {"Stall": "yes"}  # among the headers: after the body nothing more comes
HANG: Told = (0, {}, b"")  # nothing comes at all
DROP: Told = (0, {}, b"dropped")  # nothing comes, and the connection is closed


class Odd(ThreadingHTTPServer):
    """Each request's answers in turn, the last of them for ever; what is not told is a 404.

    `seen` has the requests as (method, path, headers), `bodies` what came with them.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OddHandler)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.answers: dict[str, list[Told]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def tell(self, request: str, *answers: Told) -> None:
        """`request` is `METHOD PATH`, or a path for GET."""
        self.answers[request if " " in request else f"GET {request}"] = list(answers)

    def headers_of(self, path: str, name: str) -> list[str]:
        """That header of each request of `path`; "" where there was none."""
        return [headers.get(name, "") for _, seen, headers in self.seen if seen == path]

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class OddHandler(BaseHTTPRequestHandler):
    server: Odd
    disable_nagle_algorithm = True  # or the body of an answer comes 40 ms after its headers

    def answer(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        answers = self.server.answers.get(f"{self.command} {self.path}", [(404, {}, b"")])
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if told is HANG:
            self.server.over.wait(30)
            return
        if told is DROP:
            self.close_connection = True
            return
        status, headers, body = told
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if "Stall" in headers:
            self.wfile.flush()
            self.server.over.wait(30)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass
