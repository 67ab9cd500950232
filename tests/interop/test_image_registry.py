"""pull from Debian's docker-registry on a loopback port: in the open, behind passwords, signed tokens and TLS,
through mirrors and bad lines; and from registries that misbehave."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from minirun.errors import MinirunError, NotFoundError
from minirun.image import pull_policy, removal, settings, transport
from minirun.image.credentials import Credentials, save
from minirun.image.progress import Lines
from minirun.image.registry import Registry, log_in
from minirun.image.settings import Settings
from minirun.image.store import Store
from tests.image_tars import add_image, digest, entry, store_in, tar
from tests.registries import (
    BASIC,
    PASSWORD,
    STALL,
    USER,
    BadLine,
    Odd,
    Proxy,
    Server,
    TokenServer,
    certificates,
    free_port,
    htpasswd,
    serving,
)
from tests.support import Minirun, run
from tests.terminals import Terminal

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


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own credentials, and no long waits."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(transport, "BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def pulled(store: Store, name: str) -> list[str]:
    lines: list[str] = []
    image = pull_policy.ensure(store, name, policy="always", progress=Lines(lines.append))
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
    assert registry.inspect(f"team/tool:{tag}")["Digest"] == image.origin


def test_a_second_pull_fetches_nothing(registry: Server, store: Store) -> None:
    pulled(store, f"{registry.host}/team/tool:1")
    lines = pulled(store, f"{registry.host}/team/tool:1")
    assert [line for line in lines if "Already exists" in line] == lines[1:4]
    assert lines[-1] == f"Status: Image is up to date for {registry.host}/team/tool:1"
    assert len(store.images()) == 1


def test_an_image_is_pulled_by_its_digest(registry: Server, store: Store) -> None:
    pulled(store, f"{registry.host}/team/tool:1")
    name = f"{registry.host}/team/tool@{store.images()[0].origin}"
    removal.remove(store, f"{registry.host}/team/tool:1")
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


@pytest.mark.parametrize("options", [[], ["-v"]])
def test_manifest_inspect_prints_what_docker_prints(
    registry: Server, minirun: Minirun, options: list[str]
) -> None:
    """Of a manifest in Docker's form: Debian's client knows no other."""
    words = ["manifest", "inspect", *options, "--insecure", f"{registry.host}/team/tool:docker"]
    assert minirun(*words, check=True).stdout == run("docker", *words, check=True).stdout


def test_a_tag_that_is_not_there_is_named(registry: Server, store: Store) -> None:
    with pytest.raises(NotFoundError) as error:
        pull_policy.ensure(store, f"{registry.host}/team/tool:nosuch")
    url = f"http://{registry.host}/v2/team/tool/manifests/nosuch"
    assert (
        f"no image {registry.host}/team/tool:nosuch here, and {url} said: 404 MANIFEST_UNKNOWN"
        in error.value.message
    )


def test_a_registry_that_is_not_there_is_one_sentence(store: Store) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(MinirunError) as error:
        pull_policy.ensure(store, f"{host}/tool")
    assert error.value.message.startswith(
        f"no image {host}/tool:latest here, and https://{host}/v2/tool/manifests/"
    )
    assert "Connection refused" in error.value.message


def test_a_blob_with_the_wrong_content_is_refused(tmp_path: Path, store: Store) -> None:
    source = store_in(tmp_path / "source")
    layer = add_image(source, *LAYERS, name="tool:1").manifest["layers"][1]["digest"][7:]
    with serving(tmp_path / "registry") as server:
        server.push(f"oci:{source.paths.images}:docker.io/library/tool:1", "tool:1")
        kept = next(server.storage.rglob(f"{layer}/data"))
        kept.write_bytes(b"x" * kept.stat().st_size)
        with pytest.raises(MinirunError, match="wrong content"):
            pull_policy.ensure(store, f"{server.host}/tool:1")
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


def test_pull_with_an_anonymous_token(guarded: tuple[Server, TokenServer], store: Store) -> None:
    server, tokens = guarded
    tokens.asked.clear()
    pulled(store, f"{server.host}/tool:1")
    assert tokens.asked == [("repository:tool:pull", "")]


def test_pull_with_the_credentials_of_docker_login(guarded: tuple[Server, TokenServer], store: Store) -> None:
    server, tokens = guarded
    save(server.host, Credentials(USER, PASSWORD))
    tokens.asked.clear()
    pulled(store, f"{server.host}/tool:1")
    assert tokens.asked == [("repository:tool:pull", USER)]


def test_a_token_may_be_called_access_token(
    guarded: tuple[Server, TokenServer], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tokens = guarded
    monkeypatch.setattr(tokens, "answer_key", "access_token")
    pulled(store, f"{server.host}/tool:1")


def test_a_token_that_runs_out_in_the_middle_is_renewed(
    guarded: tuple[Server, TokenServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tokens = guarded
    monkeypatch.setattr(tokens, "lifetime_seconds", 2)
    tokens.asked.clear()
    registry = Registry(server.host, "tool")
    layer = json.loads(registry.manifest("1", {}))["layers"][0]
    time.sleep(3.1)
    assert digest(b"".join(registry.blob(layer))) == layer["digest"]
    assert len(tokens.asked) == 2


def test_threads_share_one_token(guarded: tuple[Server, TokenServer]) -> None:
    server, tokens = guarded
    tokens.asked.clear()
    registry = Registry(server.host, "tool")
    threads = [threading.Thread(target=registry.manifest, args=["1", {}]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens.asked) == 1


def test_an_identity_token_is_kept_and_used_instead_of_the_password(
    guarded: tuple[Server, TokenServer], store: Store
) -> None:
    server, tokens = guarded
    kept = log_in(server.host, Credentials(USER, PASSWORD), Settings())
    assert (kept.user, kept.secret) == ("<token>", "identity")
    save(server.host, kept)
    tokens.asked.clear()
    pulled(store, f"{server.host}/tool:1")
    assert tokens.asked == [("repository:tool:pull", USER)]


def test_an_identity_token_is_sent_nowhere_else(odd: Odd) -> None:
    save(odd.host, Credentials("<token>", "identity"))
    realm = f'Bearer realm="http://{odd.host}/token"'
    odd.tell(MANIFEST_PATH, (401, {"WWW-Authenticate": realm}, b""))
    odd.tell("POST /token", (307, {"Location": "/elsewhere"}, b""))
    with pytest.raises(MinirunError, match=r"/token said: 307"):
        Registry(odd.host, "tool").manifest("latest", {})
    assert odd.headers_of("/elsewhere", "Host") == []


def test_a_registry_with_tls_may_not_send_for_a_token_without(
    guarded: tuple[Server, TokenServer], tmp_path: Path
) -> None:
    ca, http = certificates(tmp_path)
    with serving(tmp_path / "both", guarded[1].auth, http) as server:
        trusting = Settings({server.host: settings.Registry(ca=str(ca))})
        with pytest.raises(MinirunError, match=r"http://127.0.0.1:\d+/token', which is not https"):
            Registry(server.host, "tool", trusting).manifest("1", {})


# ---- passwords, through the command line ------------------------------------------------------------------


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Server]:
    """A registry with a password."""
    (tmp_path / "locked").mkdir()
    with serving(tmp_path / "locked", htpasswd(tmp_path / "locked")) as server:
        yield server


@pytest.fixture
def minirun(tmp_path: Path) -> Minirun:
    return Minirun(tmp_path / "root", tmp_path / "state")


def login(minirun: Minirun, host: str, password: str = PASSWORD) -> str:
    result = minirun("login", "-u", USER, "--password-stdin", host, input=f"{password}\n")
    return result.stdout + result.stderr


def test_login_checks_the_password_and_keeps_it(locked: Server, minirun: Minirun, tmp_path: Path) -> None:
    said = login(minirun, locked.host)
    config = tmp_path / "docker/config.json"
    assert "Login Succeeded\n" in said
    assert f"WARNING! Your credentials are stored unencrypted in '{config}'." in said
    assert json.loads(config.read_text()) == {"auths": {locked.host: {"auth": BASIC.split()[1]}}}
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_refused_and_not_kept(locked: Server, minirun: Minirun, tmp_path: Path) -> None:
    said = login(minirun, locked.host, "guess")
    assert f"minirun: login attempt to http://{locked.host}/v2/ failed with status: 401" in said
    assert not (tmp_path / "docker/config.json").exists()


def test_a_wrong_password_for_a_token_is_refused(
    guarded: tuple[Server, TokenServer], minirun: Minirun
) -> None:
    assert "/token said: 401 Unauthorized" in login(minirun, guarded[0].host, "guess")


def test_skopeo_uses_what_login_kept_until_logout(
    locked: Server, minirun: Minirun, tmp_path: Path, store: Store
) -> None:
    login(minirun, locked.host)
    add_image(store, *LAYERS, name="tool:1")
    config = f"--authfile={tmp_path}/docker/config.json"
    locked.push(f"oci:{store.paths.images}:docker.io/library/tool:1", "tool:1", config)
    assert minirun("logout", locked.host).stdout == f"Removing login credentials for {locked.host}\n"
    assert minirun("logout", locked.host).stdout == f"Not logged in to {locked.host}\n"
    refused = minirun("pull", f"{locked.host}/tool:1")
    assert refused.stderr.endswith(f"wants a user and a password\n  hint:  minirun login {locked.host}\n")


def test_login_on_a_terminal_asks_and_does_not_show_the_password(locked: Server, minirun: Minirun) -> None:
    with Terminal(minirun.command("login", locked.host)) as terminal:
        terminal.expect("Username: ")
        terminal.press(f"{USER}\n")
        terminal.expect("Password: ")
        terminal.press(f"{PASSWORD}\n")
        shown = terminal.expect("Login Succeeded")
        assert PASSWORD not in shown
        assert terminal.wait()[0] == 0
        assert terminal.is_as_before()


def test_login_without_a_terminal_says_so(locked: Server, minirun: Minirun) -> None:
    result = minirun("login", locked.host)
    assert "cannot perform an interactive login from a non TTY device" in result.stderr
    assert result.code == 1


def test_a_password_among_the_words_is_warned_of(locked: Server, minirun: Minirun) -> None:
    result = minirun("login", "-u", USER, "-p", PASSWORD, locked.host)
    assert result.stderr.startswith(
        "WARNING! Using --password via the CLI is insecure. Use --password-stdin."
    )
    assert "Authenticating with existing credentials" in minirun("login", locked.host).stdout


# ---- TLS --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A registry with a certificate, tool:1 in it, and the authority that gave the certificate."""
    base = tmp_path_factory.mktemp("secured")
    ca, http = certificates(base)
    source = store_in(base / "source")
    add_image(source, *LAYERS, name="tool:1")
    with serving(base, http=http) as server:
        server.push(f"oci:{source.paths.images}:docker.io/library/tool:1", "tool:1")
        yield server, ca


def test_a_certificate_of_an_unknown_authority_is_refused(secured: tuple[Server, Path], store: Store) -> None:
    with pytest.raises(MinirunError, match=r"certificate verify failed"):
        pull_policy.ensure(store, f"{secured[0].host}/tool:1")


def test_an_authority_named_in_the_settings_is_believed(secured: tuple[Server, Path]) -> None:
    server, ca = secured
    trusting = Settings({server.host: settings.Registry(ca=str(ca))})
    assert Registry(server.host, "tool", trusting).manifest("1", {})


def test_an_authority_in_dockers_directory_is_believed(
    secured: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, ca = secured
    monkeypatch.setattr(transport, "CERTIFICATES", str(tmp_path))
    (tmp_path / server.host).mkdir()
    (tmp_path / server.host / "ca.crt").write_bytes(ca.read_bytes())
    assert Registry(server.host, "tool").manifest("1", {})


def test_ssl_cert_file_is_honoured(secured: tuple[Server, Path], minirun: Minirun) -> None:
    server, ca = secured
    result = run(*minirun.command("pull", "-q", f"{server.host}/tool:1"), env={"SSL_CERT_FILE": str(ca)})
    assert result.stdout == f"{server.host}/tool:1\n"


def test_an_insecure_host_may_have_any_certificate(secured: tuple[Server, Path]) -> None:
    server, _ = secured
    trusting = Settings({server.host: settings.Registry(insecure=True)})
    assert Registry(server.host, "tool", trusting).manifest("1", {})


def test_a_file_that_is_no_certificate_is_named(secured: tuple[Server, Path], tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("hello")
    trusting = Settings({secured[0].host: settings.Registry(ca=str(tmp_path / "ca"))})
    with pytest.raises(MinirunError, match=r"/ca: not certificates to trust"):
        Registry(secured[0].host, "tool", trusting).manifest("1", {})


def test_plain_http_is_for_loopback_and_insecure_hosts(registry: Server) -> None:
    """0.0.0.0 leads to the same registry, and does not look like loopback."""
    host = registry.host.replace("127.0.0.1", "0.0.0.0")
    with pytest.raises(MinirunError, match=rf"https://{host}/.*(wrong version number|record layer)"):
        Registry(host, "team/tool").manifest("1", {})
    trusting = Settings({host: settings.Registry(insecure=True)})
    assert Registry(host, "team/tool", trusting).manifest("1", {})


def test_the_proxy_of_the_environment_is_used(
    secured: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(secured[0].host)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@{proxy.host}")
    trusting = Settings({"registry.example": settings.Registry(insecure=True)})
    assert Registry("registry.example", "tool", trusting).manifest("1", {})
    assert proxy.asked[0].startswith("CONNECT registry.example:443 HTTP/1")
    assert "Basic bWU6cHc=" in proxy.asked[0]
    proxy.close()


def test_loopback_needs_no_proxy(registry: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert Registry(registry.host, "team/tool").manifest("1", {})


# ---- mirrors ----------------------------------------------------------------------------------------------


def test_run_alpine_comes_from_the_mirror_of_docker_io(
    registry: Server, minirun: Minirun, tmp_path: Path, busybox_tar: Path
) -> None:
    registry.push(f"oci-archive:{busybox_tar}", "library/alpine:latest")
    config = tmp_path / "registries.toml"
    config.write_text(f'[registry."docker.io"]\nmirrors = ["{registry.host}"]\n')
    result = minirun("--config", config, "run", "--rm", "--network", "none", "alpine", "echo", "hello")
    assert result.stdout == "hello\n"
    assert "latest: Pulling from library/alpine\n" in result.stderr
    assert minirun("images").stdout.splitlines()[1].startswith("alpine ")


def test_a_mirror_may_have_a_prefix(registry: Server) -> None:
    settled = mirrored("elsewhere.example", f"{registry.host}/team")
    assert Registry("elsewhere.example", "tool", settled).manifest("1", {})


def mirrored(host: str, *mirrors: str) -> Settings:
    return Settings({host: settings.Registry(mirrors)})


def test_what_a_mirror_cannot_give_comes_from_the_next(registry: Server) -> None:
    """One that nobody is at, one that lacks it, one with something else, then the registry itself."""
    empty, wrong = Odd(), Odd()
    wrong.tell("/v2/team/tool/manifests/1", (200, {"Docker-Content-Digest": digest(b"x")}, b"{}"))
    settled = mirrored(registry.host, f"127.0.0.1:{free_port()}", empty.host, wrong.host)
    client = Registry(registry.host, "team/tool", settled)
    layer = json.loads(client.manifest("1", {}))["layers"][0]
    assert digest(b"".join(client.blob(layer))) == layer["digest"]
    assert empty.headers_of("/v2/team/tool/manifests/1", "Accept") != []
    empty.close()
    wrong.close()


def test_a_blob_that_a_mirror_loses_half_way_goes_on_from_the_next(odd: Odd) -> None:
    mirror = Odd()
    mirror.tell(BLOB, CUT, (404, {}, b""))
    odd.tell(BLOB, REST)
    assert b"".join(Registry(odd.host, "tool", mirrored(odd.host, mirror.host)).blob(DESCRIPTOR)) == CONTENT
    assert odd.headers_of(BLOB, "Range") == ["bytes=5-"]
    mirror.close()


def test_when_nobody_has_it_every_mirror_is_told_of(registry: Server, odd: Odd) -> None:
    with pytest.raises(NotFoundError) as error:
        Registry(registry.host, "nosuch", mirrored(registry.host, odd.host)).manifest("1", {})
    assert f"http://{registry.host}/v2/nosuch/manifests/1 said: 404" in error.value.message
    assert f"before that, its mirror: http://{odd.host}/v2/nosuch/manifests/1" in error.value.message


def test_a_mirror_gets_its_own_credentials_only(odd: Odd) -> None:
    save("elsewhere.example", Credentials("other", "password"))
    save(odd.host, Credentials(USER, PASSWORD))
    odd.tell(MANIFEST_PATH, (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""), (200, {}, b"{}"))
    Registry("elsewhere.example", "tool", mirrored("elsewhere.example", odd.host)).manifest("latest", {})
    assert odd.headers_of(MANIFEST_PATH, "Authorization") == ["", BASIC]


# ---- a registry that misbehaves ---------------------------------------------------------------------------


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


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
    "not json": ((200, {}, b"{"), "not valid JSON"),
    "a page": ((200, {}, b"<html>"), "answered with an HTML page"),
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
    "redirect to nonsense": ((307, {"Location": "http://["}, b""), "Invalid IPv6"),
    "redirect nowhere": ((307, {}, b""), "redirects"),
    "token from nonsense": ((401, {"WWW-Authenticate": 'Bearer realm="http://["'}, b""), "Invalid IPv6"),
    "nonsense to wait for": ((429, {"Retry-After": "9" * 5000}, b"{}"), "429 Too Many"),
    "words that move the cursor": (
        (400, {}, b'{"errors": [{"code": "A\\u001b[2J", "message": null}]}'),
        r"said: 400 A\?\[2J$",
    ),
    "endless words": ((400, {}, json.dumps({"errors": [{"code": "A" * 9999}]}).encode()), r"A{500}\.\.\.$"),
    "its own words": (
        (403, {}, b'{"errors": [{"code": "DENIED", "message": "not you"}]}'),
        "DENIED: not you",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_answer_is_refused(odd: Odd, store: Store, name: str) -> None:
    answer, message = REFUSED[name]
    odd.tell(MANIFEST_PATH, answer)
    with pytest.raises(MinirunError, match=message):
        pull_policy.ensure(store, f"{odd.host}/tool")
    assert store.images() == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_error_that_may_pass_is_tried_again(odd: Odd, status: int) -> None:
    odd.tell(MANIFEST_PATH, (status, {}, b""), (status, {}, b""), (200, {}, b"{}"))
    assert Registry(odd.host, "tool").manifest("latest", {}) == b"{}"


def test_an_error_that_stays_is_told_in_the_registrys_words(odd: Odd) -> None:
    odd.tell(MANIFEST_PATH, (503, {}, b'{"errors": [{"code": "BUSY", "message": "come back"}]}'))
    with pytest.raises(MinirunError, match=r"said: 503 BUSY: come back"):
        Registry(odd.host, "tool").manifest("latest", {})
    assert len(odd.seen) == transport.TRIES


RETRY_AFTER: list[Callable[[], str]] = [lambda: "1", lambda: formatdate(time.time() + 2, usegmt=True)]


@pytest.mark.parametrize("when", RETRY_AFTER)
def test_retry_after_is_waited_for(odd: Odd, when: Callable[[], str]) -> None:
    odd.tell(MANIFEST_PATH, (429, {"Retry-After": when()}, b""), (200, {}, b"{}"))
    start = time.monotonic()
    Registry(odd.host, "tool").manifest("latest", {})
    assert 0.9 < time.monotonic() - start < 5


def test_a_registry_that_hangs_is_given_up(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    odd.tell(MANIFEST_PATH, (200, {"Content-Length": "2", **STALL}, b"{"))
    with pytest.raises(MinirunError, match=r"cannot be reached: .*timed out"):
        Registry(odd.host, "tool").manifest("latest", {})


def test_a_cancelled_transfer_does_not_wait_for_bytes(odd: Odd) -> None:
    odd.tell(BLOB, (200, {"Content-Length": "10", **STALL}, b"01234"))
    registry = Registry(odd.host, "tool")
    threading.Timer(0.3, setattr, [registry, "cancelled", True]).start()
    with pytest.raises(MinirunError, match="cancelled"):
        list(registry.blob(DESCRIPTOR))


def test_authorization_stays_with_its_host(odd: Odd) -> None:
    """Another port is another host."""
    other = Odd()
    save(odd.host, Credentials(USER, PASSWORD))
    challenge = (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
    odd.tell(MANIFEST_PATH, challenge, (307, {"Location": f"http://{other.host}/elsewhere"}, b""))
    other.tell("/elsewhere", (200, {}, b"{}"))
    assert Registry(odd.host, "tool").manifest("latest", {}) == b"{}"
    assert odd.headers_of(MANIFEST_PATH, "Authorization") == ["", BASIC]
    assert other.headers_of("/elsewhere", "Authorization") == [""]
    other.close()


def test_credentials_are_not_for_the_host_redirected_to(odd: Odd) -> None:
    other = Odd()
    save(odd.host, Credentials(USER, PASSWORD))
    odd.tell(MANIFEST_PATH, (307, {"Location": f"http://{other.host}/elsewhere"}, b""))
    other.tell("/elsewhere", (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""))
    with pytest.raises(MinirunError, match="401"):
        Registry(odd.host, "tool").manifest("latest", {})
    assert other.headers_of("/elsewhere", "Authorization") == [""]
    other.close()


# ---- connections that break -------------------------------------------------------------------------------

CONTENT = b"0123456789"
DESCRIPTOR = {"digest": digest(CONTENT), "size": len(CONTENT)}
BLOB = f"/v2/tool/blobs/{digest(CONTENT)}"
CUT = (200, {"Content-Length": "10"}, CONTENT[:5])
REST = (206, {"Content-Range": "bytes 5-9/10"}, CONTENT[5:])


@pytest.mark.parametrize(
    "rest", [REST, (206, {"Content-Range": "bytes 5-9/*"}, CONTENT[5:]), (200, {}, CONTENT)]
)
def test_a_blob_that_is_cut_goes_on_where_it_was(odd: Odd, rest: tuple[int, dict[str, str], bytes]) -> None:
    """A server may ignore Range and send it all again."""
    odd.tell(BLOB, CUT, rest)
    assert b"".join(Registry(odd.host, "tool").blob(DESCRIPTOR)) == CONTENT
    assert odd.headers_of(BLOB, "Range") == ["", "bytes=5-"]


def test_a_blob_begun_before_is_asked_for_from_there(odd: Odd) -> None:
    odd.tell(BLOB, (206, {"Content-Range": "bytes 7-9/10"}, CONTENT[7:]))
    assert b"".join(Registry(odd.host, "tool").blob(DESCRIPTOR, 7)) == CONTENT[7:]


@pytest.mark.parametrize("range", ["bytes 4-9/10", "", "bytes 5-9/11"])
def test_another_part_than_the_one_asked_for_is_refused(odd: Odd, range: str) -> None:
    odd.tell(BLOB, CUT, (206, {"Content-Range": range}, CONTENT[5:]))
    with pytest.raises(MinirunError, match=r"gave another part|wrong size"):
        list(Registry(odd.host, "tool").blob(DESCRIPTOR))


def test_a_blob_of_another_size_is_refused_at_once(odd: Odd) -> None:
    odd.tell(BLOB, (200, {}, CONTENT * 2))
    with pytest.raises(MinirunError, match=r"has the wrong size: 20 bytes, not 10"):
        list(Registry(odd.host, "tool").blob(DESCRIPTOR))


def test_a_connection_that_always_breaks_is_given_up(odd: Odd) -> None:
    odd.tell(BLOB, CUT, (206, {"Content-Range": "bytes 5-9/10", "Content-Length": "5"}, b""))
    with pytest.raises(MinirunError, match=r"blobs/.* cannot be reached"):
        list(Registry(odd.host, "tool").blob(DESCRIPTOR))


def test_a_pull_over_a_bad_line_arrives_whole(registry: Server, tmp_path: Path, store: Store) -> None:
    """The connection is cut more often than there are tries, but each brings it a good deal further."""
    content = os.urandom(9 << 20)
    source = store_in(tmp_path / "source")
    add_image(source, tar(entry("big", content)), name="big:1", packed=False)
    registry.push(f"oci:{source.paths.images}:docker.io/library/big:1", "big:1")
    line = BadLine(registry.host, [1_500_000] * (transport.TRIES + 1))
    image = pull_policy.ensure(store, f"{line.host}/big:1")
    assert Path(image.layer_paths()[0], "big").read_bytes() == content
    assert line.cuts == []
    line.close()
