"""Registries that misbehave: each failure is one sentence, leaves nothing, and the store still works."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from minirun.errors import MinirunError
from minirun.image import manifests, pull_policy, registry, transport
from minirun.image.mediatypes import CONFIG, LAYER
from minirun.image.registry import Registry
from minirun.image.store import Store
from tests.bad_registry import BadRegistry, Handler
from tests.image_tars import add_image, config_of, entry, left, store_in, tar

TREE = tar(entry("hello", b"hi" * 50_000), entry("random", os.urandom(300_000)))


AT_ONCE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: close(2) resets the connection
IMPATIENCE = 0.05  # seconds, for what hangs alone: on a busy machine a sound answer may take longer
CLASS = re.compile(r"Errno|\b[A-Z]\w*[a-z](Error|Exception|Disconnected|Read|Line|Length|Chunk|Pool)\b")


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BACK_OFF_SECONDS", 0.01)
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")  # all of the system's authorities take 50 ms each time


@pytest.fixture
def server(impatience: None) -> Iterator[BadRegistry]:
    made = BadRegistry()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def refused(store: Store, server: BadRegistry, patience: float = transport.READ_SECONDS) -> str:
    """The error of a pull; nothing is left of it, and a sound image can be pulled afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "READ_SECONDS", patience)
        with pytest.raises(MinirunError) as error:
            pull_policy.ensure(store, server.name)
    assert left(store) == []
    assert store.images() == []
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 1000
    assert not CLASS.search(message)
    server.quirks.clear()
    server.image(gzip.compress(TREE))
    assert Path(pull_policy.ensure(store, server.name).layer_paths()[0], "hello").stat().st_size == 100_000
    return message


def test_a_sound_image_is_pulled(store: Store, server: BadRegistry) -> None:
    server.image(gzip.compress(TREE), gzip.compress(tar(entry("upper"))))
    paths = pull_policy.ensure(store, server.name).layer_paths()
    assert [os.listdir(path) for path in paths][1] == ["upper"]


# ---- blobs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blob", ["config", "layer"])
def test_a_wrong_digest(store: Store, server: BadRegistry, blob: str) -> None:
    manifest = server.image(gzip.compress(TREE))
    descriptor = manifest["config"] if blob == "config" else manifest["layers"][0]
    kind, content = server.documents[f"blobs/{descriptor['digest']}"]
    changed = bytes([*content[:-1], content[-1] ^ 1])
    server.documents[f"blobs/{descriptor['digest']}"] = (kind, changed)
    assert f"blob {descriptor['digest']} has the wrong content" in refused(store, server)


@pytest.mark.parametrize("off_by", [-1, -1000, 1, 1000])
@pytest.mark.parametrize("blob", ["config", "layer"])
def test_a_wrong_size(store: Store, server: BadRegistry, blob: str, off_by: int) -> None:
    manifest = server.image(gzip.compress(TREE))
    descriptor = manifest["config"] if blob == "config" else manifest["layers"][0]
    descriptor["size"] = max(descriptor["size"] + off_by, 1)
    server.tag(manifest)
    message = refused(store, server)
    assert descriptor["digest"] in message
    assert "size" in message or "bytes" in message


def test_a_missing_layer(store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE), gzip.compress(tar(entry("upper"))))
    del server.documents[f"blobs/{manifest['layers'][1]['digest']}"]
    assert "404" in refused(store, server)


PACKINGS = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_a_truncated_layer(store: Store, server: BadRegistry, packing: str, keep: float) -> None:
    packed = PACKINGS[packing](TREE)
    cut = packed[: int(len(packed) * keep)]
    manifest = server.image(cut)
    manifest["config"] = server.add(CONFIG, config_of([TREE]))
    server.tag(manifest)
    assert "cut short" in refused(store, server)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_layer(store: Store, server: BadRegistry, packing: str) -> None:
    packed = bytearray(PACKINGS[packing](TREE))
    packed[len(packed) // 2] ^= 0xFF
    manifest = server.image(bytes(packed))
    manifest["config"] = server.add(CONFIG, config_of([TREE]))
    server.tag(manifest)
    assert f"layer {manifest['layers'][0]['digest'][7:19]}: " in refused(store, server)


def test_a_bomb_is_stopped_by_the_limits_of_the_settings(
    store: Store, server: BadRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "registries.toml"
    path.write_text("[limits]\nunpacked_bytes = 1000000\n")
    server.image(gzip.compress(tar(entry("zeros", bytes(10_000_000)))))
    store.paths.registries = str(path)
    assert "more than 1000000 bytes" in refused(store, server)


def test_a_wrong_diff_id(store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE))
    manifest["config"] = server.add(CONFIG, config_of([tar(entry("other"))]))
    server.tag(manifest)
    assert "the image says" in refused(store, server)


@pytest.mark.parametrize("count", [0, 2])
def test_layers_and_diff_ids_that_do_not_match(store: Store, server: BadRegistry, count: int) -> None:
    manifest = server.image(gzip.compress(TREE))
    manifest["config"] = server.add(CONFIG, config_of([TREE] * count))
    server.tag(manifest)
    assert f"the image has 1 layers and its config {count}" in refused(store, server)
    assert not [path for path in server.asked if manifest["layers"][0]["digest"] in path][1:]


# ---- manifests --------------------------------------------------------------------------------------------

NESTED = b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DOCUMENTS = {
    "not JSON": (b"{", "not valid JSON"),
    "a page": (b"<html>", "answered with an HTML page"),
    "empty": (b"", "not valid JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "not valid JSON"),
    "a list": (b"[]", "not a JSON object"),
    "deeply nested": (NESTED, "nested too deeply"),
    "nested a little too deeply": (b'{"a":' * 70 + b"1" + b"}" * 70, "nested too deeply"),
    "a number of many digits": (b'{"size":' + b"9" * 5000 + b"}", "not valid JSON"),
    "an object without a config": (b"{}", "a descriptor without a proper size"),
    "layers that are no list": (b'{"layers": 7}', "layers"),
    "too large": (b" " * (10 << 20), f"larger than {manifests.BYTES_MAX} bytes"),
    "schema 1": (b'{"schemaVersion": 1, "fsLayers": []}', "schema 1"),
    "manifest and index": (b'{"manifests": [], "layers": []}', "at the same time"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_bad_manifest(store: Store, server: BadRegistry, name: str) -> None:
    content, words = DOCUMENTS[name]
    server.tag(content)
    assert words in refused(store, server)


@pytest.mark.parametrize("kind", ["text/html", "application/vnd.oci.image.nonsense", "x" * 5000])
def test_a_manifest_of_unknown_type(store: Store, server: BadRegistry, kind: str) -> None:
    server.image(gzip.compress(TREE), mediaType=kind)
    assert "unknown type" in refused(store, server)


def test_an_artifact_is_not_an_image(store: Store, server: BadRegistry) -> None:
    config = {**server.add(CONFIG, b"{}"), "mediaType": "application/vnd.cncf.helm.config.v1+json"}
    server.image(gzip.compress(TREE), config=config)
    assert "not an image but an artifact" in refused(store, server)


def test_foreign_layers_are_not_fetched(store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE))
    manifest["layers"][0]["urls"] = [f"http://{server.name}"]
    server.tag(manifest)
    assert "foreign layer" in refused(store, server)


def test_more_layers_than_an_overlay_takes(store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE))
    server.tag({**manifest, "layers": manifest["layers"] * 501})
    assert "501 layers" in refused(store, server)


ODD_VALUES: list[Any] = [None, True, 7, -1, 1e300, "", "text", "../../etc/passwd", [], [1], {}, {"a": 1}]
FIELDS = ["mediaType", "config", "layers", "config.digest", "config.size", "config.mediaType"]
FIELDS += ["layers.0", "layers.0.digest", "layers.0.size", "layers.0.mediaType"]
TYPES = ("mediaType", "config.mediaType", "layers.0.mediaType")
SAME: list[tuple[str, Any]] = [(field, value) for field in TYPES for value in (None, "", [], {})]


def changed(document: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(document))
    place: Any = copy
    *outer, last = field.split(".")
    for part in outer:
        place = place[int(part) if part.isdigit() else part]
    place[int(last) if last.isdigit() else last] = value
    return dict(copy)


@pytest.mark.parametrize("field", FIELDS)
def test_a_manifest_with_a_field_of_the_wrong_type(store: Store, server: BadRegistry, field: str) -> None:
    """Empty means unsaid for media types, as Docker takes it; for layers, an image of none."""
    manifest = server.image(gzip.compress(TREE))
    for value in ODD_VALUES:
        if (field, value) in SAME:
            continue
        server.tag(changed(manifest, field, value))
        with pytest.raises(MinirunError):
            pull_policy.ensure(store, server.name)
        assert left(store) == []


CONFIG_FIELDS = ["os", "architecture", "rootfs", "rootfs.diff_ids", "rootfs.diff_ids.0", "variant", "created"]
CONFIG_FIELDS += ["history", "config", "config.Env", "config.Cmd", "config.Entrypoint", "config.Labels"]
CONFIG_FIELDS += ["config.User", "config.WorkingDir", "config.StopSignal", "config.Volumes"]


@pytest.mark.parametrize("field", CONFIG_FIELDS)
def test_a_config_with_a_field_of_the_wrong_type(store: Store, server: BadRegistry, field: str) -> None:
    config = json.loads(config_of([TREE], Env=["A=1"]))
    for value in (True, 7, -1, [1], {"a": 1}, "\0", "\ud800", [["a"]]):
        manifest = server.image(gzip.compress(TREE))
        manifest["config"] = server.add(CONFIG, json.dumps(changed(config, field, value)).encode())
        server.tag(manifest)
        if field in ("config", "config.Volumes") and value == {"a": 1}:
            continue  # what is not known is not looked at
        with pytest.raises(MinirunError, match=r"config is not one|do not match"):
            pull_policy.ensure(store, server.name)
        assert left(store) == []


def test_an_index_that_leads_to_itself(store: Store, server: BadRegistry) -> None:
    looping = {"mediaType": manifests.INDEX, "manifests": [{"mediaType": manifests.INDEX, "size": 5}]}
    server.tag(looping, manifests.INDEX)
    assert "'digest'" in refused(store, server)


def test_an_index_in_an_index_without_an_end(store: Store, server: BadRegistry) -> None:
    inner = server.add(manifests.MANIFEST, b"{}")
    for _ in range(8):
        content = json.dumps({"mediaType": manifests.INDEX, "manifests": [inner]}).encode()
        inner = server.add(manifests.INDEX, content)
    server.tag(content, manifests.INDEX)
    assert "without an end" in refused(store, server)


def test_an_index_that_offers_other_machines(store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE))
    described = server.add(manifests.MANIFEST, json.dumps(manifest).encode())
    platform = {"os": "plan9", "architecture": "pdp11"}
    server.tag({"manifests": [{**described, "platform": platform}]}, manifests.INDEX)
    assert "it offers plan9/pdp11" in refused(store, server)


# ---- connections ------------------------------------------------------------------------------------------


def hangs(handler: Handler) -> None:
    handler.server.ended.wait(20)


def hangs_after_the_headers(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"x" * 1000)
    handler.server.ended.wait(20)


def closes_half_way(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"x" * 1000)
    handler.close_connection = True


def closes(handler: Handler) -> None:
    handler.close_connection = True


def resets(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    handler.connection.close()
    handler.close_connection = True


def redirects_in_a_loop(handler: Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def redirects_out(handler: Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "http://203.0.113.1/blob")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def redirects_to_a_file(handler: Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "file:///etc/passwd")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def speaks_something_else(handler: Handler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    handler.close_connection = True


def is_always_busy(handler: Handler) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def never_stops(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    with contextlib.suppress(OSError):
        while not handler.server.ended.is_set():
            handler.wfile.write(b"{" * 100_000)
    handler.close_connection = True


def has_headers_without_an_end(handler: Handler) -> None:
    handler.send_response(200)
    with contextlib.suppress(OSError):
        for number in range(100_000):
            handler.wfile.write(b"X-Header-%d: x\r\n" % number)
    handler.close_connection = True


QUIRKS = {
    "never stops": (never_stops, ""),
    "has headers without an end": (has_headers_without_an_end, ""),
    "hangs": (hangs, "timed out"),
    "hangs after the headers": (hangs_after_the_headers, ""),
    "closes half way": (closes_half_way, ""),
    "resets the connection": (resets, "Connection reset by peer"),
    "closes without an answer": (closes, "it closed the connection before its answer was whole"),
    "redirects in a loop": (redirects_in_a_loop, "redirects"),
    "redirects to plain http": (redirects_out, "not https"),
    "redirects to a file": (redirects_to_a_file, "not https"),
    "speaks something else": (speaks_something_else, "its answer is not HTTP"),
    "is always busy": (is_always_busy, "503"),
}


@pytest.mark.parametrize("name", QUIRKS)
@pytest.mark.parametrize("place", ["manifests/", "config", "layer"])
def test_a_registry_that(name: str, place: str, store: Store, server: BadRegistry) -> None:
    manifest = server.image(gzip.compress(TREE), gzip.compress(tar(entry("upper"))))
    descriptors = {"config": manifest["config"], "layer": manifest["layers"][0]}
    path = f"blobs/{descriptors[place]['digest']}" if place in descriptors else place
    quirk, words = QUIRKS[name]
    server.quirks[path] = quirk
    message = refused(store, server, IMPATIENCE if "hang" in name else transport.READ_SECONDS)
    assert words in message
    assert "127.0.0.1" in message or "blob sha256:" in message


ODD_HEADERS = {
    "a redirect to nowhere": (307, {"Location": "http://[::1"}),
    "a redirect without a place": (307, {}),
    "a redirect to a strange port": (307, {"Location": "http://127.0.0.1:99999999/"}),
    "a redirect with escapes": (307, {"Location": "\x1b[2J"}),
    "a length that is no number": (200, {"Content-Length": "many"}),
    "a negative length": (200, {"Content-Length": "-1"}),
    "two lengths": (200, {"Content-Length": "5, 6"}),
    "a strange pause": (429, {"Retry-After": "-1", "Content-Length": "0"}),
    "a strange date to come back": (503, {"Retry-After": "Mon, 99 Foo 99999", "Content-Length": "0"}),
    "a part nobody asked for": (206, {"Content-Range": "bytes 9-1/x", "Content-Length": "2"}),
    "an unknown challenge": (401, {"WWW-Authenticate": "Magic x", "Content-Length": "0"}),
    "no challenge": (401, {"Content-Length": "0"}),
    "a realm that is no address": (
        401,
        {"WWW-Authenticate": 'Bearer realm="http://[::1"', "Content-Length": "0"},
    ),
    "a realm with escapes": (401, {"WWW-Authenticate": 'Bearer realm="\x1b[2J"', "Content-Length": "0"}),
    "a realm elsewhere": (
        401,
        {"WWW-Authenticate": 'Bearer realm="http://203.0.113.1/"', "Content-Length": "0"},
    ),
    "a digest that is none": (200, {"Docker-Content-Digest": "md5:x", "Content-Length": "2"}),
    "a type with escapes": (200, {"Content-Type": "\x1b[2J", "Content-Length": "2"}),
    "an unknown status": (799, {"Content-Length": "0"}),
}


@pytest.mark.parametrize("name", ODD_HEADERS)
@pytest.mark.parametrize("place", ["manifests/", "blobs/"])
def test_headers_that_make_no_sense(name: str, place: str, store: Store, server: BadRegistry) -> None:
    status, headers = ODD_HEADERS[name]

    def answers(handler: Handler) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(b"{}")
        handler.close_connection = True

    server.image(gzip.compress(TREE))
    server.quirks[place] = answers
    refused(store, server)


def test_a_closed_port_is_named(store: Store, server: BadRegistry) -> None:
    name = server.name
    server.stop()
    with pytest.raises(MinirunError, match=r"127.0.0.1.* cannot be reached: Connection refused$"):
        pull_policy.ensure(store, name)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "Without it, scripts/rootfs busybox makes an image"),
        (["busybox"], "Here without it: busybox; scripts/rootfs makes others"),
        (["me/b:2", "a", "a:latest"], "Here without it: a, me/b:2; scripts/rootfs makes others"),
        (list("gfedcba"), "Here without it: a, b, c, d, e and 2 more; scripts/rootfs makes others"),
    ],
)
@pytest.mark.parametrize("policy", ["missing", "always"])
def test_a_registry_that_cannot_be_reached_leaves_what_is_here(
    store: Store, names: list[str], told: str, policy: str
) -> None:
    for name in names:
        add_image(store, tar(), name=name)
    with pytest.raises(MinirunError, match="Connection refused") as error:
        pull_policy.ensure(store, "127.0.0.1:1/tool", policy)
    assert error.value.hint == f"is the network up, and the name right? {told}"


class HangsUp(BadRegistry):
    """Plain http; whoever begins with TLS is cut off."""

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if request.recv(1, socket.MSG_PEEK) != b"\x16":
            return True
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        request.close()
        return False


def test_a_registry_that_hangs_up_on_tls_is_spoken_to_without(store: Store, impatience: None) -> None:
    """As docker does where plain http is allowed."""
    server = HangsUp()
    server.image(gzip.compress(TREE))
    assert pull_policy.ensure(store, server.name).layer_paths()
    server.stop()


def test_a_server_that_closes_at_once(store: Store, impatience: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        name = f"127.0.0.1:{listening.getsockname()[1]}/tool"
        threading.Thread(target=close_all, args=[listening], daemon=True).start()
        with pytest.raises(MinirunError, match=name.partition("/")[0]):
            pull_policy.ensure(store, name)
        listening.shutdown(socket.SHUT_RDWR)


def close_all(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listening.accept()[0].close()


def test_words_of_a_registry_stay_in_one_line(store: Store, server: BadRegistry) -> None:
    def curses(handler: Handler) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": "\x1b[2Jgone\nminirun: fine"}]}).encode()
        handler.send_response(403)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.quirks["manifests/"] = curses
    assert "DENIED" in refused(store, server)


def test_a_layer_that_fails_takes_the_others_with_it(store: Store, server: BadRegistry) -> None:
    layers = [gzip.compress(tar(entry(str(number), os.urandom(200_000)))) for number in range(6)]
    manifest = server.image(*layers)
    server.documents[f"blobs/{manifest['layers'][4]['digest']}"] = (LAYER, b"wrong" * 40_000)
    refused(store, server)


def test_what_was_there_before_stays(store: Store, server: BadRegistry) -> None:
    image = add_image(store, TREE, name="kept")
    path = image.layer_paths()[0]
    server.image(gzip.compress(TREE), gzip.compress(b"not a tar" * 1000))
    with pytest.raises(MinirunError, match="not a sound tar"):
        pull_policy.ensure(store, server.name)
    assert [one.reference for one in store.images()] == ["docker.io/library/kept:latest"]
    assert store.get("kept").layer_paths() == [path]
    assert (
        hashlib.sha256(Path(path, "hello").read_bytes()).hexdigest()
        == hashlib.sha256(b"hi" * 50_000).hexdigest()
    )


# ---- lists of tags ------------------------------------------------------------------------------------------


def lists_tags(*names: int, next: str) -> Callable[[Handler], None]:
    """A page with these tags, counted on from the number in the address, and the address of the next one."""

    def page(handler: Handler) -> None:
        start = int(handler.path.rpartition("=")[2]) if "=" in handler.path else 0
        body = json.dumps({"tags": [f"t{start + number}" for number in names]}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Link", f'<{next.format(start + len(names))}>; rel="next"')
        handler.end_headers()
        handler.wfile.write(body)

    return page


@pytest.mark.parametrize("size", [1, 900])
def test_a_list_of_tags_without_an_end(
    server: BadRegistry, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(registry, "PAGES_MAX", 20)
    monkeypatch.setattr(registry, "LISTED_MAX", 5000)
    server.quirks["tags/list"] = lists_tags(*range(size), next="/v2/tool/tags/list?from={}")
    with pytest.raises(MinirunError, match=r"has listed [0-9]+ tags of tool and goes on"):
        Registry(server.host, "tool").tags()
    assert len(server.asked) <= 20


def test_a_list_of_tags_that_leads_to_itself_has_ended(server: BadRegistry) -> None:
    server.quirks["tags/list"] = lists_tags(1, 2, next="/v2/tool/tags/list")
    assert Registry(server.host, "tool").tags() == ["t1", "t2"]


def test_a_tag_as_long_as_a_book_is_none(server: BadRegistry) -> None:
    server.documents["tags/list"] = ("application/json", json.dumps({"tags": ["x" * 100_000]}).encode())
    with pytest.raises(MinirunError, match="lists a name of 100000 characters"):
        Registry(server.host, "tool").tags()


def test_a_right_that_is_never_right_is_asked_for_once(server: BadRegistry) -> None:
    """Bearer again and again: the token is fetched, tried, and that is it."""

    def refuses(handler: Handler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", f'Bearer realm="http://{server.host}/v2/tool/token"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.quirks["manifests/"] = refuses
    server.quirks["token"] = gives_a_token
    with pytest.raises(MinirunError, match="401"):
        Registry(server.host, "tool").manifest("latest", {})
    assert len(server.asked) == 3


def gives_a_token(handler: Handler) -> None:
    body = b'{"token": "abc"}'
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
