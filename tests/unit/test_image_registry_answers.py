"""What registries answer, one odd thing at a time: challenges, addresses, statuses, words, headers."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.errors import MinirunError, NotFoundError
from minirun.image import push, reference, transport, upload
from minirun.image.answers import Answer
from minirun.image.credentials import Credentials, save
from minirun.image.progress import Progress
from minirun.image.registry import Registry, log_in
from minirun.image.settings import Settings
from minirun.image.upload import Blob, Upload
from tests.fuzzing import fuzz
from tests.image_tars import add_image, digest, store_in, tar
from tests.registries import BASIC, DROP, PASSWORD, USER, Odd, Told

CONTENT = b"0123456789"
MANIFEST = "/v2/tool/manifests/latest"
UPLOADS = "POST /v2/tool/blobs/uploads/"
DONE = f"?digest=sha256%3A{digest(CONTENT)[7:]}"
MOUNT = f"{UPLOADS}?mount=sha256%3A{digest(CONTENT)[7:]}&from="


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own credentials, and no long waits."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(transport, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")  # all of the system's authorities take 50 ms each time


@pytest.fixture
def odd() -> Iterator[Odd]:
    """A registry that has nothing and begins uploads at /upload/1."""
    server = Odd()
    server.tell(UPLOADS, (202, {"Location": "/upload/1"}, b""))
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[Odd]:
    """Another host: another port is one."""
    server = Odd()
    yield server
    server.close()


def manifest(odd: Odd) -> bytes:
    return Registry(odd.host, "tool").manifest("latest", {})


def sent(odd: Odd, directory: Path, *sources: str) -> str:
    (directory / "blob").write_bytes(CONTENT)
    registry = Registry(odd.host, "tool", actions="pull,push")
    with open(directory / "blob", "rb") as file:
        return Upload(registry, "tool", Blob(file.fileno(), digest(CONTENT), len(CONTENT))).run(list(sources))


def methods(odd: Odd) -> list[str]:
    return [f"{method} {path}" for method, path, _ in odd.seen]


# ---- challenges -------------------------------------------------------------------------------------------

BEARER = 'Bearer realm="http://{}/token",service="s",scope="repository:tool:pull,push"'
TOKENS = {"access": b'{"access_token": "abc"}', "token": b'{"token": "abc", "expires_in": "soon"}'}
BASIC_FIRST = {
    "negotiate in the same header": 'Negotiate, Basic realm="x"',
    "one that is unknown, with parameters": 'Digest realm="a, b", nonce="c", Basic realm="x"',
    "small letters": "negotiate, basic",
    "basic alone, with parameters": 'BASIC realm="x", charset="UTF-8"',
    "a token from nowhere": 'Bearer service="x", Basic realm="x"',
    "a token from the open": 'Bearer realm="http://192.0.2.1/t", Basic realm="x"',
}


@pytest.mark.parametrize("name", BASIC_FIRST)
def test_a_password_is_sent_where_basic_is_among_the_challenges(odd: Odd, name: str) -> None:
    save(odd.host, Credentials(USER, PASSWORD))
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": BASIC_FIRST[name]}, b""), (200, {}, b"{}"))
    assert manifest(odd) == b"{}"
    assert odd.headers_of(MANIFEST, "Authorization") == ["", BASIC]


def test_challenges_in_several_headers_are_one_list(odd: Odd) -> None:
    save(odd.host, Credentials(USER, PASSWORD))
    several = {"WWW-Authenticate": "Negotiate", "www-authenticate": 'NTLM, Basic realm="x"'}
    odd.tell(MANIFEST, (401, several, b""), (200, {}, b"{}"))
    assert manifest(odd) == b"{}"


@pytest.mark.parametrize("answer", TOKENS)
@pytest.mark.parametrize("before", ["Negotiate, ", 'Basic realm="x", ', ""])
def test_a_token_needs_no_password(odd: Odd, before: str, answer: str) -> None:
    challenge = before + BEARER.format(odd.host)
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": challenge}, b""), (200, {}, b"{}"))
    odd.tell("/token?service=s&scope=repository%3Atool%3Apull%2Cpush", (200, {}, TOKENS[answer]))
    assert manifest(odd) == b"{}"
    assert odd.headers_of(MANIFEST, "Authorization") == ["", "Bearer abc"]


def test_what_can_be_done_is_said_when_nothing_was_kept(odd: Odd) -> None:
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": 'Negotiate, Basic realm="x"'}, b""))
    with pytest.raises(MinirunError, match="wants a user and a password") as error:
        manifest(odd)
    assert error.value.hint == f"minirun login {odd.host}"


UNKNOWN = {
    "Negotiate": "'Negotiate'",
    "Digest realm=x, Mutual": "'Digest realm=x, Mutual'",
    "": "unknown here: ''",
}


def test_a_refusal_without_a_challenge_is_told(odd: Odd) -> None:
    odd.tell(MANIFEST, (401, {}, b""))
    with pytest.raises(MinirunError, match="does not say how to prove it"):
        manifest(odd)


@pytest.mark.parametrize("challenge", UNKNOWN)
def test_challenges_that_are_all_unknown_are_told(odd: Odd, challenge: str) -> None:
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": challenge}, b""))
    with pytest.raises(MinirunError, match=UNKNOWN[challenge]):
        manifest(odd)


NO_TOKENS = {
    b"<html><title>Sign in</title>": 'it sent an HTML page, "Sign in"',
    b"[]": "it sent no JSON object",
    b"null": "it sent no JSON object",
    b"": "it sent no JSON object",
    b'{"token": 7}': "gave no token$",
    b'{"token": "a\\nb"}': "gave no token$",
}


@pytest.mark.parametrize("body", NO_TOKENS)
def test_an_answer_without_a_token(odd: Odd, body: bytes) -> None:
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": f'Bearer realm="http://{odd.host}/token"'}, b""))
    odd.tell("/token?scope=repository%3Atool%3Apull", (200, {}, body))
    with pytest.raises(MinirunError, match=NO_TOKENS[body]):
        manifest(odd)


BROKEN_CONFIGS = {
    '{"credsStore": "desktop"}': "docker-credential-desktop: not found in $PATH",
    '{"auths": 7}': "'auths' is not an object",
    "{": "config.json",
}


@pytest.mark.parametrize("text", BROKEN_CONFIGS)
def test_what_is_for_everybody_needs_no_credentials(odd: Odd, tmp_path: Path, text: str) -> None:
    """Docker Desktop leaves a config.json that names a helper, which is not on another machine."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(text)
    odd.tell(
        MANIFEST,
        (401, {"WWW-Authenticate": f'Bearer realm="http://{odd.host}/token"'}, b""),
        (200, {}, b"{}"),
    )
    odd.tell("/token?scope=repository%3Atool%3Apull", (200, {}, TOKENS["token"]))
    assert manifest(odd) == b"{}"


@pytest.mark.parametrize("text", BROKEN_CONFIGS)
@pytest.mark.parametrize("challenge", ["Basic", 'Bearer realm="http://{}/token"'])
def test_what_is_not_says_why_they_are_not_known(odd: Odd, tmp_path: Path, text: str, challenge: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(text)
    odd.tell(MANIFEST, (401, {"WWW-Authenticate": challenge.format(odd.host)}, b""))
    odd.tell("/token?scope=repository%3Atool%3Apull", (200, {}, TOKENS["token"]))
    with pytest.raises(MinirunError) as error:
        manifest(odd)
    assert BROKEN_CONFIGS[text] in error.value.hint


def test_a_push_without_a_helper_begins_with_its_lack(odd: Odd, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text('{"credsStore": "desktop"}')
    odd.tell(f"HEAD /v2/tool/blobs/{digest(CONTENT)}", (401, {"WWW-Authenticate": "Basic"}, b""))
    with pytest.raises(MinirunError, match="docker-credential-desktop: not found"):
        sent(odd, tmp_path)


# ---- addresses, after redirects ---------------------------------------------------------------------------

LOCATIONS = {
    "whole": ("http://{}/upload/2", "/upload/2"),
    "from the root": ("/upload/2", "/upload/2"),
    "relative": ("2", "/moved/2"),
    "relative, upwards": ("../upload/2", "/upload/2"),
    "without a scheme": ("//{}/upload/2", "/upload/2"),
    "with a query": ("/upload/2?state=a%2Fb", "/upload/2?state=a%2Fb"),
    "with a part of a page": ("/upload/2#top", "/upload/2"),
    "with room around it": (" /upload/2 ", "/upload/2"),
}


@pytest.mark.parametrize("name", LOCATIONS)
def test_an_upload_goes_on_where_its_redirect_led(odd: Odd, other: Odd, tmp_path: Path, name: str) -> None:
    """And the credentials stay here."""
    location, path = LOCATIONS[name]
    save(odd.host, Credentials(USER, PASSWORD))
    head = f"HEAD /v2/tool/blobs/{digest(CONTENT)}"
    odd.tell(head, (401, {"WWW-Authenticate": "Basic"}, b""), (404, {}, b""))
    odd.tell(UPLOADS, (307, {"Location": f"http://{other.host}/moved/x"}, b""))
    other.tell("POST /moved/x", (202, {"Location": location.format(other.host)}, b""))
    put = f"{path}{DONE.replace('?', '&') if '?' in path else DONE}"
    other.tell(f"PUT {put}", (201, {}, b""))
    assert sent(odd, tmp_path) == "Pushed"
    assert methods(other) == ["POST /moved/x", f"PUT {put}"]
    assert other.headers_of("/moved/x", "Authorization") == other.headers_of(put, "Authorization") == [""]
    assert odd.headers_of(UPLOADS.split()[1], "Authorization") == [BASIC]


def page(odd: Odd, path: str, tags: list[str], link: str = "", **headers: str) -> None:
    odd.tell(
        path, (200, {**({"Link": link} if link else {}), **headers}, json.dumps({"tags": tags}).encode())
    )


@pytest.mark.parametrize("link", ["<list?last=a>; rel=next", '<../tags/list?last=a>; rel="prev next"'])
def test_pages_of_tags_go_on_where_a_redirect_led(odd: Odd, other: Odd, link: str) -> None:
    odd.tell("/v2/tool/tags/list", (301, {"Location": f"http://{other.host}/v2/new/tags/list"}, b""))
    page(other, "/v2/new/tags/list", ["a"], f"</x>; rel=first, {link}")
    page(other, "/v2/new/tags/list?last=a", ["b"])
    assert Registry(odd.host, "tool").tags() == ["a", "b"]


def test_an_upload_without_an_address_is_told(odd: Odd, tmp_path: Path) -> None:
    odd.tell(UPLOADS, (202, {}, b""))
    with pytest.raises(MinirunError, match="does not say where to send it"):
        sent(odd, tmp_path)


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("http://h/upload", "X-Forwarded-Proto"),
        ("http://h:80/upload", "X-Forwarded-Proto"),
        ("http://other/x", ""),
    ],
)
def test_a_way_from_https_to_http_is_not_taken(location: str, hint: str) -> None:
    """To the registry itself, it is its proxy that does not tell it how it is spoken to."""
    with pytest.raises(MinirunError, match="which is not https") as error:
        transport.Transport(Settings()).redirected("https://h/v2/tool/blobs/uploads/", location)
    assert (hint in error.value.hint) if hint else not error.value.hint


def test_a_redirect_without_an_address_is_told(odd: Odd) -> None:
    odd.tell(MANIFEST, (307, {}, b""))
    with pytest.raises(MinirunError, match="redirects, and does not say where to"):
        manifest(odd)


def test_storage_that_refuses_is_named_by_its_host_alone(odd: Odd, other: Odd) -> None:
    """Its address has a signature in it."""
    odd.tell(MANIFEST, (307, {"Location": f"http://{other.host}/bucket?signature=secret"}, b""))
    words = (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
    )
    other.tell("/bucket?signature=secret", (403, {}, words))
    with pytest.raises(MinirunError) as error:
        manifest(odd)
    said = f"leads to {other.host}, and that said: 403 AccessDenied: Request has expired"
    assert error.value.message == f"http://{odd.host}{MANIFEST} {said}"


# ---- uploads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_manifest_may_be_taken_with_any_success(odd: Odd, tmp_path: Path, status: int) -> None:
    store = store_in(tmp_path)
    image = add_image(store, tar(), name=f"{odd.host}/tool")
    for blob in [image.manifest["config"], *image.manifest["layers"]]:
        odd.tell(f"HEAD /v2/tool/blobs/{blob['digest']}", (200, {}, b""))
    odd.tell(f"PUT {MANIFEST}", (status, {"Docker-Content-Digest": "nonsense"}, b""))
    push.push(reference.parse(f"{odd.host}/tool"), store, Settings(), Progress())
    assert store.get(f"{odd.host}/tool").origin == image.digest


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_blob_may_be_taken_with_any_success(odd: Odd, tmp_path: Path, status: int) -> None:
    odd.tell(f"PUT /upload/1{DONE}", (status, {}, b""))
    assert sent(odd, tmp_path) == "Pushed"


@pytest.mark.parametrize("answer", [DROP, (404, {}, b""), (405, {}, b""), (500, {}, b""), (204, {}, b"")])
def test_giving_an_upload_up_may_fail(odd: Odd, tmp_path: Path, answer: Told) -> None:
    """A mount that is refused begins an upload; before the next mount it is given up, and nobody waits for that."""
    for number, source in enumerate(("a", "b"), 1):
        odd.tell(f"{MOUNT}{source}", (202, {"Location": f"/upload/{number}"}, b""))
    odd.tell("DELETE /upload/1", answer)
    odd.tell(f"PUT /upload/2{DONE}", (201, {}, b""))
    assert sent(odd, tmp_path, "a", "b") == "Pushed"
    assert methods(odd).count("DELETE /upload/1") == 1


def test_a_head_that_storage_refuses_is_no_refusal(odd: Odd, other: Odd, tmp_path: Path) -> None:
    """It was signed for GET."""
    odd.tell(f"HEAD /v2/tool/blobs/{digest(CONTENT)}", (307, {"Location": f"http://{other.host}/b"}, b""))
    other.tell("HEAD /b", (403, {}, b""))
    odd.tell(f"PUT /upload/1{DONE}", (201, {}, b""))
    assert sent(odd, tmp_path) == "Pushed"


def chunks(odd: Odd) -> list[bytes]:
    return [body for (method, _, _), body in zip(odd.seen, odd.bodies, strict=True) if method == "PATCH"]


RANGES = {
    "0-3": [b"0123", b"4567", b"89"],
    "bytes=0-3": [b"0123", b"4567", b"89"],
    "bytes 0-3/*": [b"0123", b"4567", b"89"],
    " 0 - 3 ": [b"0123", b"4567", b"89"],
    "0-1": [b"0123", b"2345", b"6789"],  # it took less
    "0-999": [b"0123", b"4567", b"89"],  # and this is not true
    "0-0": [b"0123", b"4567", b"89"],
    "nonsense": [b"0123", b"4567", b"89"],
    "3-7": [b"0123", b"4567", b"89"],
}


@pytest.mark.parametrize("range", RANGES)
def test_a_chunk_is_counted_as_the_registry_says(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, range: str
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4)
    odd.tell("PATCH /upload/1", (202, {"Range": range}, b""), (202, {}, b""))  # without a Location: it stays
    odd.tell(f"PUT /upload/1{DONE}", (201, {}, b""))
    assert sent(odd, tmp_path) == "Pushed"
    assert chunks(odd) == RANGES[range]


@pytest.mark.parametrize("range", ["0-1", "0-2"])
def test_an_upload_that_gets_nowhere_is_given_up(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, range: str
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4)
    odd.tell("PATCH /upload/1", (202, {"Range": range}, b""))
    with pytest.raises(MinirunError, match=r"takes chunks, and has [23] bytes all the same"):
        sent(odd, tmp_path)
    assert len(chunks(odd)) == 1 + transport.TRIES


def test_uploads_that_begin_anew_for_ever_are_given_up(
    odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4)
    monkeypatch.setattr(upload, "SESSIONS_MAX", 5)
    odd.tell("PATCH /upload/1", *[(202, {}, b""), (404, {}, b"")] * 9)
    with pytest.raises(MinirunError, match="has begun 5 times"):
        sent(odd, tmp_path)


# ---- words ------------------------------------------------------------------------------------------------

WORDS = {
    b'{"errors": [{"code": "DENIED", "message": "not you"}]}': "403 DENIED: not you",
    b'{"errors": [{"code": "A"}, {"message": "b"}, "c", 7, null]}': "403 A; b; c",
    b'{"error": "invalid_grant", "error_description": "expired"}': "403 invalid_grant: expired",
    b'{"message": "no such project"}': "403 no such project",
    b'{"details": "incorrect username or password"}': "403 incorrect username or password",
    b'{"errors": {"code": "A"}, "message": "b"}': "403 b",
    b'{"errors": []}': "403 Forbidden",
    b"[1]": "403 Forbidden",
    b"plain": "403 Forbidden",
    b"<!DOCTYPE html><html><head><TITLE>\n Sign\n in </TITLE>": '403 Forbidden (an HTML page, "Sign in")',
    b"<html>\r\n<center>nginx</center>": "403 Forbidden (an HTML page)",
    b"<html><title>\x1b[2J\xff</title>": '403 Forbidden (an HTML page, "\\x1b[2J\ufffd")',
    b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>': "403 AccessDenied",
}


@pytest.mark.parametrize("body", WORDS)
def test_the_words_of_an_error(body: bytes) -> None:
    assert Answer("http://h/", 403, "Forbidden", {}, body).words == WORDS[body]


def test_a_page_of_nothing_but_titles_takes_no_time() -> None:
    started = time.process_time()
    assert Answer("http://h/", 403, "Forbidden", {}, b"<html>" + b"<title" * 100_000).page == "an HTML page"
    assert time.process_time() - started < 2


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["errors", "code", "message", "error"]), inner)
    ),
    max_leaves=9,
)


@fuzz(200)
@given(
    st.binary(max_size=50) | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())
)
def test_any_body_gives_one_line(body: bytes) -> None:
    for start in (b"", b"<html><title>", b'<?xml version="1.0"?><Code>'):
        words = Answer("http://h/", 403, "Forbidden", {}, start + body).words
        assert words.isprintable()
        assert words.startswith("403 ")
        assert len(words) < 600


def test_a_page_instead_of_a_manifest_is_named(odd: Odd) -> None:
    odd.tell(MANIFEST, (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Welcome</title>" * 100))
    with pytest.raises(MinirunError, match=r'answered with an HTML page, "Welcome"$') as error:
        manifest(odd)
    assert error.value.hint == "is that the address of a registry?"


def test_a_page_instead_of_a_blob_is_named(odd: Odd) -> None:
    blob = {"digest": digest(CONTENT), "size": len(CONTENT)}
    odd.tell(
        f"/v2/tool/blobs/{digest(CONTENT)}", (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")
    )
    with pytest.raises(MinirunError, match="answered with an HTML page"):
        list(Registry(odd.host, "tool").blob(blob))


def test_a_page_that_is_not_there_is_not_found(odd: Odd) -> None:
    odd.tell(MANIFEST, (404, {}, b"<html><title>404</title>"))
    with pytest.raises(NotFoundError, match=r'404 Not Found \(an HTML page, "404"\)$'):
        manifest(odd)


def test_a_page_is_no_list_of_tags_and_nothing_to_log_in_to(odd: Odd) -> None:
    odd.tell("/v2/tool/tags/list", (200, {}, b"<html>"))
    odd.tell("/v2/", (200, {}, b"<html>"))
    with pytest.raises(MinirunError, match="answered with an HTML page"):
        Registry(odd.host, "tool").tags()
    with pytest.raises(MinirunError, match="answered with an HTML page"):
        log_in(odd.host, Credentials(USER, PASSWORD), Settings())


@pytest.mark.parametrize(("status", "hint"), [(413, "its limit has to be raised"), (429, "fewer requests")])
def test_a_refusal_that_something_can_be_done_about(odd: Odd, tmp_path: Path, status: int, hint: str) -> None:
    odd.tell(f"PUT /upload/1{DONE}", (status, {"Retry-After": "0"}, b"<html>"))
    with pytest.raises(MinirunError, match=str(status)) as error:
        sent(odd, tmp_path)
    assert hint in error.value.hint


# ---- headers ----------------------------------------------------------------------------------------------

OCI = "application/vnd.oci.image.manifest.v1+json"
TYPES = {
    f"{OCI}; charset=utf-8": OCI,
    f"{OCI} ;charset=utf-8": OCI,
    OCI.upper(): OCI,
    "application/json": "",
    "text/plain; charset=utf-8": "",
    "application/octet-stream": "",
    "": "",
    "application/vnd.example+json": "application/vnd.example+json",
}


@pytest.mark.parametrize("given", TYPES)
def test_the_type_of_a_manifest(odd: Odd, given: str) -> None:
    """What only says JSON, or bytes, says nothing: the document tells."""
    descriptor: dict[str, Any] = {}
    odd.tell(MANIFEST, (200, {"Content-Type": given}, b"{}"))
    Registry(odd.host, "tool").manifest("latest", descriptor)
    assert descriptor["mediaType"] == TYPES[given]


SHA512 = f"sha512:{hashlib.sha512(b'{}').hexdigest()}"


@pytest.mark.parametrize("given", ["", digest(b"{}"), f" {digest(b'{}')} ", SHA512])
def test_a_digest_that_is_right_or_missing(odd: Odd, given: str) -> None:
    odd.tell(MANIFEST, (200, {"Docker-Content-Digest": given}, b"{}"))
    assert manifest(odd) == b"{}"


@pytest.mark.parametrize(
    "given", [digest(b""), SHA512[:-1] + "0", "md5:99914b932bd37a50b983c5e7c90ae93b", "none"]
)
def test_a_digest_that_is_wrong(odd: Odd, given: str) -> None:
    odd.tell(MANIFEST, (200, {"Docker-Content-Digest": given}, b"{}"))
    with pytest.raises(MinirunError, match=r"has the wrong content: its digest is .*, not '.+'"):
        manifest(odd)
