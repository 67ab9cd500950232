"""pull from Debian's docker-registry on a loopback port: in the open, and behind real signed tokens."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minirun.errors import MinirunError, NotFoundError
from minirun.image.progress import Lines
from minirun.image.store import Store
from tests.image_tars import add_image, digest, entry, store_in, tar
from tests.registries import PASSWORD, USER, Server, TokenServer, free_port
from tests.support import run

LAYERS = (tar(entry("one", b"1" * 70_000)), tar(entry("two", b"2")), tar(entry("deep/three", b"3")))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that lets everybody in, with team/tool:1 in OCI form and team/tool:docker in Docker's."""
    base = tmp_path_factory.mktemp("registry")
    source = store_in(base / "source")
    add_image(source, *LAYERS, name="tool:1")
    server = Server(base)
    layout = f"oci:{source.paths.images}:docker.io/library/tool:1"
    server.push(layout, "team/tool:1")
    server.push(layout, "team/tool:docker", "--format", "v2s2")
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def pulled(store: Store, name: str) -> list[str]:
    lines: list[str] = []
    image = store.ensure(name, pull="always", progress=Lines(lines.append))
    tops = [sorted(os.listdir(path)) for path in image.layer_paths()]
    assert tops == [["one"], ["two"], ["deep"]]
    return lines


@pytest.mark.parametrize("tag", ["1", "docker"])
def test_pull_prints_dockers_lines(registry: Server, store: Store, tag: str) -> None:
    lines = pulled(store, f"{registry.host}/team/tool:{tag}")
    image = store.get(f"{registry.host}/team/tool:{tag}")
    short = [layer["digest"][7:19] for layer in image.manifest["layers"]]
    assert lines[0] == f"{tag}: Pulling from team/tool"
    assert lines[1:4] == [f"{layer}: Pulling fs layer" for layer in short]
    complete = [line for line in lines if line.endswith("Pull complete")]
    assert complete == [f"{layer}: Pull complete" for layer in short]
    assert lines[-2:] == [
        f"Digest: {image.origin}",
        f"Status: Downloaded newer image for {registry.host}/team/tool:{tag}",
    ]
    inspected = run(
        "skopeo", "inspect", "--tls-verify=false", f"docker://{registry.host}/team/tool:{tag}", check=True
    )
    assert json.loads(inspected.stdout)["Digest"] == image.origin


def test_a_second_pull_fetches_nothing(registry: Server, store: Store) -> None:
    pulled(store, f"{registry.host}/team/tool:1")
    lines = pulled(store, f"{registry.host}/team/tool:1")
    assert [line for line in lines if "Already exists" in line] == lines[1:4]
    assert lines[-1] == f"Status: Image is up to date for {registry.host}/team/tool:1"
    assert len(store.images()) == 1


def test_an_image_is_pulled_by_its_digest(registry: Server, store: Store) -> None:
    pulled(store, f"{registry.host}/team/tool:1")
    name = f"{registry.host}/team/tool@{store.images()[0].origin}"
    store.remove(f"{registry.host}/team/tool:1", {})
    pulled(store, name)
    assert store.get(name).reference == name


@pytest.mark.parametrize("tag", ["1", "docker"])
def test_skopeo_and_umoci_read_the_store_in_place(
    registry: Server, store: Store, tmp_path: Path, tag: str
) -> None:
    name = f"{registry.host}/team/tool:{tag}"
    pulled(store, name)
    inspected = run("skopeo", "inspect", f"oci:{store.paths.images}:{name}", check=True)
    assert len(json.loads(inspected.stdout)["Layers"]) == 3
    run("umoci", "unpack", "--image", f"{store.paths.images}:{name}", tmp_path / "bundle", check=True)
    assert (tmp_path / "bundle/rootfs/deep/three").read_bytes() == b"3"


def test_a_tag_that_is_not_there_is_named(registry: Server, store: Store) -> None:
    with pytest.raises(NotFoundError) as error:
        store.ensure(f"{registry.host}/team/tool:nosuch")
    url = f"http://{registry.host}/v2/team/tool/manifests/nosuch"
    assert (
        f"no image {registry.host}/team/tool:nosuch here, and {url} said: 404 MANIFEST_UNKNOWN"
        in error.value.message
    )


def test_a_registry_that_is_not_there_is_one_sentence(store: Store) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(MinirunError) as error:
        store.ensure(f"{host}/tool")
    assert error.value.message.startswith(
        f"no image {host}/tool:latest here, and https://{host}/v2/tool/manifests/"
    )
    assert "Connection refused" in error.value.message


def test_a_blob_with_the_wrong_content_is_refused(tmp_path: Path, store: Store) -> None:
    server = Server(tmp_path)
    try:
        source = store_in(tmp_path / "source")
        image = add_image(source, *LAYERS, name="tool:1")
        server.push(f"oci:{source.paths.images}:docker.io/library/tool:1", "tool:1")
        layer = image.manifest["layers"][1]["digest"][7:]
        kept = next((tmp_path / "storage").rglob(f"{layer}/data"))
        kept.write_bytes(b"x" * kept.stat().st_size)
        with pytest.raises(MinirunError, match="wrong content"):
            store.ensure(f"{server.host}/tool:1")
    finally:
        server.stop()
    assert store.images() == []
    assert os.listdir(f"{store.paths.images}/blobs/sha256") == []


# ---- tokens -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, TokenServer]]:
    base = tmp_path_factory.mktemp("guarded")
    source = store_in(base / "source")
    add_image(source, *LAYERS, name="tool:1")
    tokens = TokenServer(base)
    server = Server(base, tokens.auth)
    server.push(
        f"oci:{source.paths.images}:docker.io/library/tool:1", "tool:1", "--dest-creds", f"{USER}:{PASSWORD}"
    )
    yield server, tokens
    server.stop()
    tokens.shutdown()
    tokens.server_close()


def test_pull_with_an_anonymous_token(
    guarded: tuple[Server, TokenServer], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    server, tokens = guarded
    tokens.asked.clear()
    pulled(store, f"{server.host}/tool:1")
    assert tokens.asked == [("repository:tool:pull", "")]


def test_pull_with_the_credentials_of_docker_login(
    guarded: tuple[Server, TokenServer], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tokens = guarded
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    tokens.asked.clear()
    pulled(store, f"{server.host}/tool:1")
    assert tokens.asked == [("repository:tool:pull", USER)]


# ---- a registry that misbehaves ---------------------------------------------------------------------------


class Odd(BaseHTTPRequestHandler):
    """Answers by the path: see the tests."""

    seen: dict[str, list[str]] = {}  # noqa: RUF012  path -> Authorization headers
    answers: dict[str, tuple[int, dict[str, str], bytes]] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.setdefault(self.path, []).append(self.headers.get("Authorization", ""))
        status, headers, body = self.answers.get(self.path, (404, {}, b""))
        if status == 503 and len(self.seen[self.path]) > 1:
            status, headers, body = self.answers[f"{self.path}#later"]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Odd]]]:
    monkeypatch.setattr(Odd, "seen", {})
    monkeypatch.setattr(Odd, "answers", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", Odd
    server.shutdown()
    server.server_close()


MANIFEST_PATH = "/v2/tool/manifests/latest"
SCHEMA_1 = json.dumps({"schemaVersion": 1, "name": "tool", "fsLayers": []}).encode()
OTHER_PLATFORM = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {"digest": digest(b""), "size": 0, "platform": {"os": "plan9", "architecture": "mips"}}
        ],
    }
).encode()
FOREIGN = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"digest": digest(b""), "size": 0},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(b""),
                "size": 0,
                "urls": ["http://elsewhere"],
            }
        ],
    }
).encode()

REFUSED = {
    "schema 1": ((200, {}, SCHEMA_1), "schema 1"),
    "another platform": ((200, {}, OTHER_PLATFORM), "offers plan9/mips"),
    "foreign layer": ((200, {}, FOREIGN), "foreign layer"),
    "not json": ((200, {}, b"<html>"), "not valid JSON"),
    "too large": ((200, {}, b" " * (5 << 20)), "larger than"),
    "wrong digest": ((200, {"Docker-Content-Digest": digest(b"other")}, SCHEMA_1), "wrong content"),
    "redirect loop": ((307, {"Location": MANIFEST_PATH}, b""), "redirects"),
    "redirect to plain http": ((307, {"Location": "http://192.0.2.1/x"}, b""), "not https"),
    "redirect to a file": ((307, {"Location": "file:///etc/passwd"}, b""), "not https"),
    "unknown authentication": ((401, {"WWW-Authenticate": "Negotiate"}, b""), "Negotiate"),
    "token from elsewhere": (
        (401, {"WWW-Authenticate": 'Bearer realm="http://192.0.2.1/token"'}, b""),
        "not https",
    ),
    "its own words": (
        (403, {}, b'{"errors": [{"code": "DENIED", "message": "not you"}]}'),
        "DENIED: not you",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_answer_is_refused(odd: tuple[str, type[Odd]], store: Store, name: str) -> None:
    host, server = odd
    server.answers[MANIFEST_PATH], message = REFUSED[name]
    with pytest.raises(MinirunError, match=message):
        store.ensure(f"{host}/tool")
    assert store.images() == []


def test_a_server_error_is_tried_again(odd: tuple[str, type[Odd]], store: Store) -> None:
    host, server = odd
    server.answers[MANIFEST_PATH] = (503, {"Retry-After": "0"}, b"")
    server.answers[f"{MANIFEST_PATH}#later"] = (200, {}, SCHEMA_1)
    with pytest.raises(MinirunError, match="schema 1"):
        store.ensure(f"{host}/tool")
    assert len(server.seen[MANIFEST_PATH]) == 2


def test_authorization_stays_with_its_host(
    odd: tuple[str, type[Odd]], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another port is another host: the same server under the name localhost gets no Authorization."""
    host, server = odd
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": "c2VjcmV0"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    elsewhere = f"http://localhost:{host.partition(':')[2]}/elsewhere"
    server.answers[MANIFEST_PATH] = (503, {"Retry-After": "0"}, b"")
    challenge = {"WWW-Authenticate": 'Basic realm="x"'}
    server.answers[MANIFEST_PATH] = (401, challenge, b"")
    server.answers["/elsewhere"] = (200, {}, SCHEMA_1)
    monkeypatch.setattr(server, "do_GET", redirecting_once_authorised(server.do_GET, elsewhere))
    with pytest.raises(MinirunError, match="schema 1"):
        store.ensure(f"{host}/tool")
    assert server.seen[MANIFEST_PATH] == ["", "Basic c2VjcmV0"]
    assert server.seen["/elsewhere"] == [""]


def redirecting_once_authorised(do_get, elsewhere: str):  # type: ignore[no-untyped-def]
    def answer(self: Odd) -> None:
        if self.path == MANIFEST_PATH and self.headers.get("Authorization"):
            self.answers[MANIFEST_PATH] = (307, {"Location": elsewhere}, b"")
        do_get(self)

    return answer
