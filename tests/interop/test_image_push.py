"""push to Debian's docker-registry on a loopback port, read back by skopeo; and to registries that misbehave."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import pull_policy, reference, settings, transport, upload
from minirun.image.credentials import Credentials, save
from minirun.image.image import Image
from minirun.image.progress import Lines, Progress
from minirun.image.push import push
from minirun.image.registry import Registry
from minirun.image.settings import Settings
from minirun.image.store import Store
from minirun.image.upload import Blob, Upload
from tests.image_tars import add_image, digest, entry, store_in, tar
from tests.registries import (
    HANG,
    PASSWORD,
    USER,
    BadLine,
    Odd,
    Server,
    TokenServer,
    certificates,
    free_port,
    htpasswd,
    serving,
)
from tests.support import Minirun, run

LAYERS = (tar(entry("one", b"1" * 70_000)), tar(entry("two", b"2")), tar(entry("three", b"3")))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own credentials, and no long waits."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(transport, "BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


@pytest.fixture
def minirun(tmp_path: Path) -> Minirun:
    """The command line of the same store."""
    return Minirun(tmp_path / "root", tmp_path / "state")


def pushed(store: Store, name: str) -> list[str]:
    """The lines of a push that goes well."""
    lines: list[str] = []
    push(reference.parse(name), store, store.settings, Lines(lines.append))
    return lines


def shorts(image: Image) -> list[str]:
    """As they are shown: the uppermost layer first."""
    return [layer["digest"][7:19] for layer in reversed(image.manifest["layers"])]


# ---- to a registry that behaves ---------------------------------------------------------------------------


def test_push_prints_dockers_lines(registry: Server, store: Store, minirun: Minirun) -> None:
    image = add_image(store, *LAYERS, name=f"{registry.host}/team/tool:1")
    lines = minirun("push", f"{registry.host}/team/tool:1", check=True).stdout.splitlines()
    assert lines[0] == f"The push refers to repository [{registry.host}/team/tool]"
    assert lines[1:4] == [f"{short}: Preparing" for short in shorts(image)]
    assert sorted(lines[4:7]) == sorted(f"{short}: Pushed" for short in shorts(image))
    assert lines[7] == f"1: digest: {image.digest} size: {image.entry['size']}"
    found = registry.inspect("team/tool:1")
    assert found["Digest"] == image.digest
    assert found["Layers"] == [layer["digest"] for layer in image.manifest["layers"]]


def test_what_is_there_is_not_sent_again(registry: Server, store: Store) -> None:
    image = add_image(store, *LAYERS, name=f"{registry.host}/tool:1")
    pushed(store, f"{registry.host}/tool:1")
    lines = pushed(store, f"{registry.host}/tool:1")
    assert sorted(lines[4:7]) == sorted(f"{short}: Layer already exists" for short in shorts(image))


def test_a_layer_of_a_repository_beside_is_mounted(registry: Server, store: Store) -> None:
    add_image(store, *LAYERS, name=f"{registry.host}/team/tool:1")
    pushed(store, f"{registry.host}/team/tool:1")
    image = add_image(store, *LAYERS, name=f"{registry.host}/other")
    lines = pushed(store, f"{registry.host}/other")
    assert sorted(lines[4:7]) == sorted(f"{short}: Mounted from team/tool" for short in shorts(image))
    assert registry.inspect("other")["Digest"] == image.digest


def test_a_layer_that_is_not_beside_after_all_is_sent(registry: Server, store: Store) -> None:
    """The store has the other name, the registry has not."""
    add_image(store, *LAYERS, name=f"{registry.host}/never/pushed")
    image = add_image(store, *LAYERS, name=f"{registry.host}/other")
    lines = pushed(store, f"{registry.host}/other")
    assert sorted(lines[4:7]) == sorted(f"{short}: Pushed" for short in shorts(image))


def test_all_tags_of_a_repository_are_pushed(registry: Server, store: Store, minirun: Minirun) -> None:
    for name in ("tool:1", "tool:2", "tools:3"):
        add_image(store, *LAYERS, name=f"{registry.host}/{name}")
    result = minirun("push", "--all-tags", f"{registry.host}/tool", check=True)
    assert re.findall(r"^(\w+): digest", result.stdout, re.M) == ["1", "2"]
    assert sorted(registry.inspect("tool:2")["RepoTags"]) == ["1", "2"]  # type: ignore[call-overload]


def test_quiet_prints_the_name_alone(registry: Server, store: Store, minirun: Minirun) -> None:
    add_image(store, *LAYERS, name=f"{registry.host}/tool")
    assert minirun("push", "-q", f"{registry.host}/tool").stdout == f"{registry.host}/tool:latest\n"


def test_mirrors_are_for_pulling(registry: Server, store: Store) -> None:
    mirror = Odd()
    settled = Settings({registry.host: settings.Registry((mirror.host,))})
    add_image(store, *LAYERS, name=f"{registry.host}/tool")
    push(reference.parse(f"{registry.host}/tool"), store, settled, Progress())
    assert mirror.seen == []
    mirror.close()


# ---- plain layers -----------------------------------------------------------------------------------------


def test_plain_layers_are_gzipped_on_the_way(registry: Server, store: Store, tmp_path: Path) -> None:
    image = add_image(store, *LAYERS, name=f"{registry.host}/tool", packed=False)
    pushed(store, f"{registry.host}/tool")
    manifest = json.loads(raw(registry, "tool"))
    assert {layer["mediaType"][-5:] for layer in manifest["layers"]} == {"+gzip"}
    other = pull_policy.ensure(store_in(tmp_path / "other"), f"{registry.host}/tool")
    assert other.id == image.id
    assert Path(other.layer_paths()[0], "one").read_bytes() == b"1" * 70_000
    assert os.listdir(f"{store.paths.images}/incoming") == []


def raw(registry: Server, name: str) -> str:
    address = f"docker://{registry.host}/{name}"
    return run("skopeo", "inspect", "--tls-verify=false", "--raw", address, check=True).stdout


def test_the_same_layers_are_gzipped_to_the_same_bytes(
    registry: Server, store: Store, tmp_path: Path
) -> None:
    add_image(store, *LAYERS, name=f"{registry.host}/tool", packed=False)
    first = pushed(store, f"{registry.host}/tool")
    time.sleep(1.1)  # gzip's header may hold the time, in seconds
    other = store_in(tmp_path / "other")
    add_image(other, *LAYERS, name=f"{registry.host}/tool", packed=False)
    assert pushed(other, f"{registry.host}/tool")[-1] == first[-1]


def test_images_shows_the_digest_the_registry_has(registry: Server, store: Store, minirun: Minirun) -> None:
    image = add_image(store, *LAYERS, name=f"{registry.host}/tool", packed=False)
    pushed(store, f"{registry.host}/tool")
    there = registry.inspect("tool")["Digest"]
    assert there != image.digest
    assert there in minirun("images", "--digests").stdout


# ---- what cannot be pushed --------------------------------------------------------------------------------


def test_an_image_that_is_not_here(minirun: Minirun) -> None:
    result = minirun("push", "me/nosuch")
    assert "An image does not exist locally with the tag: me/nosuch\n" in result.stderr
    assert result.code == 1


def test_a_tag_that_is_not_here(store: Store, minirun: Minirun) -> None:
    add_image(store, *LAYERS, name="me/tool:1")
    assert "tag does not exist: me/tool:2\n" in minirun("push", "me/tool:2").stderr


def test_a_digest_is_no_name_to_push(minirun: Minirun) -> None:
    assert "cannot push a digest reference\n" in minirun("push", f"me/tool@{digest(b'')}").stderr


def test_a_tag_and_all_tags_exclude_each_other(minirun: Minirun) -> None:
    assert "tag can't be used with --all-tags/-a\n" in minirun("push", "-a", "me/tool:1").stderr


def test_a_registry_that_is_not_there_is_one_sentence(store: Store, minirun: Minirun) -> None:
    host = f"127.0.0.1:{free_port()}"
    add_image(store, *LAYERS, name=f"{host}/tool")
    result = minirun("push", f"{host}/tool")
    assert re.fullmatch(r"minirun: https://.* cannot be reached: .*refused\n  hint: .*\n", result.stderr)


# ---- who may push -----------------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Server, TokenServer]]:
    (tmp_path / "guarded").mkdir()
    tokens = TokenServer(tmp_path / "guarded")
    with serving(tmp_path / "guarded", tokens.auth) as server:
        yield server, tokens
    tokens.shutdown()
    tokens.server_close()


def test_a_push_without_the_right_to_it_is_denied(
    guarded: tuple[Server, TokenServer], store: Store, minirun: Minirun
) -> None:
    host = guarded[0].host
    add_image(store, *LAYERS, name=f"{host}/tool")
    result = minirun("push", f"{host}/tool")
    assert "minirun: pushing is denied: http://" in result.stderr
    assert result.stderr.endswith(f"\n  hint:  minirun login {host}\n")
    assert result.code == 1


def test_a_push_asks_for_the_right_to_it(guarded: tuple[Server, TokenServer], store: Store) -> None:
    server, tokens = guarded
    save(server.host, Credentials(USER, PASSWORD))
    add_image(store, *LAYERS, name=f"{server.host}/tool")
    pushed(store, f"{server.host}/tool")
    assert tokens.asked == [("repository:tool:pull,push", USER)]


def test_a_mount_asks_for_both_repositories(guarded: tuple[Server, TokenServer], store: Store) -> None:
    server, tokens = guarded
    save(server.host, Credentials(USER, PASSWORD))
    add_image(store, LAYERS[0], name=f"{server.host}/team/tool")
    pushed(store, f"{server.host}/team/tool")
    add_image(store, LAYERS[0], name=f"{server.host}/other")
    assert any("Mounted from team/tool" in line for line in pushed(store, f"{server.host}/other"))
    assert tokens.asked[-1] == ("repository:other:pull,push repository:team/tool:pull", USER)


def test_a_token_that_runs_out_between_two_layers_is_renewed(
    guarded: tuple[Server, TokenServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tokens = guarded
    monkeypatch.setattr(tokens, "lifetime_seconds", 2)
    save(server.host, Credentials(USER, PASSWORD))
    registry = Registry(server.host, "tool", actions="pull,push")
    sent(registry, tmp_path, b"first")
    time.sleep(3.1)
    sent(registry, tmp_path, b"second")
    assert len(tokens.asked) == 2


def sent(registry: Registry, directory: Path, content: bytes, sources: tuple[str, ...] = ()) -> str:
    """Upload one blob to the repository `tool`."""
    (directory / "blob").write_bytes(content)
    with open(directory / "blob", "rb") as file:
        return Upload(registry, "tool", Blob(file.fileno(), digest(content), len(content))).run(list(sources))


def test_push_with_a_password_over_tls(store: Store, minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "secured").mkdir()
    ca, http = certificates(tmp_path / "secured")
    with serving(tmp_path / "secured", htpasswd(tmp_path / "secured"), http) as server:
        config = tmp_path / "registries.toml"
        config.write_text(f'[registry."{server.host}"]\nca = "{ca}"\n')
        add_image(store, *LAYERS, name=f"{server.host}/tool:1")
        login = ("login", "-u", USER, "--password-stdin", server.host)
        minirun("--config", config, *login, input=PASSWORD, check=True)
        minirun("--config", config, "push", f"{server.host}/tool:1", check=True)
        assert server.inspect("tool:1", f"--creds={USER}:{PASSWORD}")["Digest"] == store.images()[0].digest


# ---- chunks and breaks ------------------------------------------------------------------------------------

BIG = os.urandom(3_500_000)


@pytest.mark.parametrize("http", [{}, {"relativeurls": True}])
def test_a_large_blob_goes_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: dict[str, object]
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 1 << 20)
    with serving(tmp_path / "registry", http=http) as server:
        registry = Registry(server.host, "tool", actions="pull,push")
        assert sent(registry, tmp_path, BIG) == "Pushed"
        assert b"".join(registry.blob({"digest": digest(BIG), "size": len(BIG)})) == BIG


@pytest.mark.parametrize("chunk_bytes", [1 << 20, 64 << 20])
def test_an_upload_over_a_bad_line_arrives_whole(
    registry: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """Cut twice: in the second chunk and somewhere after it; or in a body that goes whole."""
    monkeypatch.setattr(upload, "CHUNK_BYTES", chunk_bytes)
    line = BadLine(registry.host, [1_700_000, 1_200_000])
    assert sent(Registry(line.host, "tool", actions="pull,push"), tmp_path, BIG) == "Pushed"
    assert line.cuts == []
    line.close()
    there = Registry(registry.host, "tool").blob({"digest": digest(BIG), "size": len(BIG)})
    assert b"".join(there) == BIG


@pytest.fixture
def odd() -> Iterator[Odd]:
    """A registry that has nothing and begins uploads at /upload/1."""
    server = Odd()
    server.tell("POST /v2/tool/blobs/uploads/", (202, {"Location": "/upload/1"}, b""))
    yield server
    server.close()


CONTENT = b"0123456789"
PUT = f"PUT /upload/3?digest=sha256%3A{digest(CONTENT)[7:]}"


def patches(odd: Odd) -> list[tuple[str, str, bytes]]:
    """(address, Content-Range, body) of each."""
    requests = zip(odd.seen, odd.bodies, strict=True)
    return [
        (path, headers["Content-Range"], body)
        for (method, path, headers), body in requests
        if method == "PATCH"
    ]


def small_chunks(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4)
    return Registry(odd.host, "tool", actions="pull,push")


def test_each_chunk_goes_where_the_last_answer_says(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = small_chunks(odd, monkeypatch)
    odd.tell(
        "PATCH /upload/1", (202, {"Location": f"http://{odd.host}/upload/2?state=x", "Range": "0-3"}, b"")
    )
    odd.tell("PATCH /upload/2?state=x", (202, {"Location": "/upload/2?state=x", "Range": "0-7"}, b""))
    odd.answers["PATCH /upload/2?state=x"].append((202, {"Location": "/upload/3", "Range": "0-9"}, b""))
    odd.tell(PUT, (201, {}, b""))
    assert sent(registry, tmp_path, CONTENT) == "Pushed"
    assert patches(odd) == [
        ("/upload/1", "0-3", b"0123"),
        ("/upload/2?state=x", "4-7", b"4567"),
        ("/upload/2?state=x", "8-9", b"89"),
    ]


def test_chunks_are_as_large_as_the_registry_wants(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = small_chunks(odd, monkeypatch)
    begun = (202, {"Location": "/upload/1", "OCI-Chunk-Min-Length": "8"}, b"")
    odd.tell("POST /v2/tool/blobs/uploads/", begun)
    odd.tell("PATCH /upload/1", (202, {"Location": "/upload/1"}, b""), (202, {"Location": "/upload/3"}, b""))
    odd.tell(PUT, (201, {}, b""))
    sent(registry, tmp_path, CONTENT)
    assert [content_range for _, content_range, _ in patches(odd)] == ["0-7", "8-9"]


@pytest.mark.parametrize("status", [416, 429, 500, 503])
def test_after_a_failed_chunk_the_registry_is_asked_what_it_has(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It has taken two bytes of the four."""
    registry = small_chunks(odd, monkeypatch)
    odd.tell("PATCH /upload/1", (status, {"Retry-After": "0"}, b""))
    odd.tell("/upload/1", (204, {"Location": "/upload/2", "Range": "0-1"}, b""))
    odd.tell("PATCH /upload/2", (202, {"Location": "/upload/2"}, b""), (202, {"Location": "/upload/3"}, b""))
    odd.tell(PUT, (201, {}, b""))
    sent(registry, tmp_path, CONTENT)
    assert [body for _, _, body in patches(odd)] == [b"0123", b"2345", b"6789"]


def test_an_upload_the_registry_forgot_begins_anew(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = small_chunks(odd, monkeypatch)
    odd.tell("PATCH /upload/1", (404, {}, b""), *[(202, {"Location": "/upload/1"}, b"")] * 2)
    odd.answers["PATCH /upload/1"].append((202, {"Location": "/upload/3"}, b""))
    odd.tell(PUT, (201, {}, b""))
    sent(registry, tmp_path, CONTENT)
    assert [body for _, _, body in patches(odd)] == [b"0123", b"0123", b"4567", b"89"]


def test_an_answer_that_was_lost_is_not_sent_for_again(odd: Odd, tmp_path: Path) -> None:
    """The registry has the blob, but said 500."""
    odd.tell(f"HEAD /v2/tool/blobs/{digest(CONTENT)}", (404, {}, b""), (200, {}, b""))
    odd.tell(PUT.replace("/3", "/1"), (500, {}, b""))
    assert sent(Registry(odd.host, "tool", actions="pull,push"), tmp_path, CONTENT) == "Pushed"


def test_an_upload_that_never_works_is_given_up(odd: Odd, tmp_path: Path) -> None:
    odd.tell(PUT.replace("/3", "/1"), (503, {}, b""))
    with pytest.raises(MinirunError, match=r"/upload/1.* said: 503"):
        sent(Registry(odd.host, "tool", actions="pull,push"), tmp_path, CONTENT)


def test_a_registry_that_finds_another_digest_ends_the_push(odd: Odd, tmp_path: Path) -> None:
    words = b'{"errors": [{"code": "DIGEST_INVALID", "message": "not what you said"}]}'
    odd.tell(PUT.replace("/3", "/1"), (400, {}, words))
    with pytest.raises(MinirunError, match="400 DIGEST_INVALID: not what you said"):
        sent(Registry(odd.host, "tool", actions="pull,push"), tmp_path, CONTENT)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_a_mount_that_is_refused_becomes_an_upload(odd: Odd, tmp_path: Path, status: int) -> None:
    query = f"mount=sha256%3A{digest(CONTENT)[7:]}&from=other"
    odd.tell(f"POST /v2/tool/blobs/uploads/?{query}", (status, {}, b""))
    odd.tell(PUT.replace("/3", "/1"), (201, {}, b""))
    assert sent(Registry(odd.host, "tool", actions="pull,push"), tmp_path, CONTENT, ("other",)) == "Pushed"


def test_an_upload_may_not_be_sent_out_in_the_open(odd: Odd, tmp_path: Path) -> None:
    odd.tell("POST /v2/tool/blobs/uploads/", (202, {"Location": "http://192.0.2.1/upload"}, b""))
    with pytest.raises(MinirunError, match="not https"):
        sent(Registry(odd.host, "tool", actions="pull,push"), tmp_path, CONTENT)


def test_the_manifest_is_last_and_its_refusal_told(odd: Odd, store: Store) -> None:
    image = add_image(store, *LAYERS, name=f"{odd.host}/tool:1")
    for blob in [image.manifest["config"], *image.manifest["layers"]]:
        odd.tell(f"HEAD /v2/tool/blobs/{blob['digest']}", (200, {}, b""))
    odd.tell("PUT /v2/tool/manifests/1", (400, {}, b'{"errors": [{"code": "MANIFEST_INVALID"}]}'))
    with pytest.raises(MinirunError, match="manifests/1 said: 400 MANIFEST_INVALID"):
        pushed(store, f"{odd.host}/tool:1")
    assert [path for _, path, _ in odd.seen].index("/v2/tool/manifests/1") == len(odd.seen) - 1


def test_an_interrupted_push_does_not_wait_for_the_registry(odd: Odd, store: Store, minirun: Minirun) -> None:
    layer = add_image(store, LAYERS[0], name=f"{odd.host}/tool").manifest["layers"][0]["digest"]
    odd.tell(f"PUT /upload/1?digest=sha256%3A{layer[7:]}", HANG)
    process = minirun.spawn("push", f"{odd.host}/tool")
    while not [method for method, _, _ in odd.seen if method == "PUT"]:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130


def test_a_layer_that_fails_ends_the_push(odd: Odd, store: Store) -> None:
    """The lowest, which is sent last."""
    image = add_image(store, *LAYERS, name=f"{odd.host}/tool:1")
    refused, *there = [layer["digest"] for layer in image.manifest["layers"]]
    odd.tell(f"HEAD /v2/tool/blobs/{refused}", (403, {}, b""))
    for layer in there:
        odd.tell(f"HEAD /v2/tool/blobs/{layer}", (200, {}, b""))
    with pytest.raises(MinirunError, match="pushing is denied"):
        pushed(store, f"{odd.host}/tool:1")
    assert "/v2/tool/manifests/1" not in [path for _, path, _ in odd.seen]
