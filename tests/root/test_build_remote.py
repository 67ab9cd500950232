"""What ADD takes from elsewhere: a server and a repository of the tests' own, on loopback, right and wrong."""

import contextlib
import hashlib
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minirun.build import context, remote
from minirun.build.copying import copy
from minirun.build.digests import Remembered
from minirun.build.selection import Order, select
from minirun.errors import MinirunError
from minirun.paths import Paths
from tests.support import Minirun, run

DATE = "Tue, 15 Nov 1994 12:45:26 GMT"
Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(content: bytes, status: int = 200, **headers: str) -> Answer:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return send


class Server(ThreadingHTTPServer):
    """Answers at each path what the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        answers: dict[str, Answer] = {}
        self.asked: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                self.asked.append(dict(handler.headers))
                with contextlib.suppress(OSError):
                    answers.get(handler.path, answer(b"", 404))(handler)

            def log_message(handler, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path / "root"), str(tmp_path / "state"))
    yield made
    left = set(os.listdir(f"{made.root}/build/tmp")) if os.path.isdir(f"{made.root}/build/tmp") else set()
    assert left <= {".lock"}


@pytest.fixture
def add(paths: Paths, tmp_path: Path) -> Callable[..., Path]:
    """add("http://...", "/target", checksum=...) -> the root filesystem afterwards."""

    def add(source: str, target: str = "/d/", unpack: bool | None = None, **options: object) -> Path:
        order = Order([source], target, is_add=True, unpack=unpack)
        words = {"checksum": "", "keep_git_dir": False, **options}
        order.remotes = remote.fetch_all(paths, [source], is_add=True, **words)  # type: ignore[arg-type]
        root = tmp_path / "rootfs"
        root.mkdir(exist_ok=True)
        opened = os.open(root, os.O_PATH)
        try:
            assert copy(select(order.remotes[source], order), order, opened) == []
        finally:
            os.close(opened)
            order.remotes[source].close()
        return root

    return add


def test_a_file_has_the_name_of_its_address_and_is_root_s_alone(server: Server, add: Callable[..., Path]):
    server.answers["/a/x%5B1%5D.txt?y"] = answer(b"content", Last_Modified=DATE)
    made = add(f"{server.address}/a/x%5B1%5D.txt?y") / "d/x[1].txt"
    assert made.read_bytes() == b"content"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert (made.stat().st_uid, made.stat().st_mtime) == (0, 784903526)


def test_without_a_name_or_a_date(server: Server, add: Callable[..., Path]):
    server.answers["/"] = answer(b"content")
    assert (add(f"{server.address}/") / "d/__unnamed__").stat().st_mtime == 0
    assert (add(f"{server.address}/", "/here") / "here").read_bytes() == b"content"


def test_it_is_unpacked_only_when_that_is_said(server: Server, add: Callable[..., Path], tmp_path: Path):
    (tmp_path / "inside").write_text("x")
    run("tar", "-czf", tmp_path / "x.tgz", "-C", tmp_path, "inside", check=True)
    server.answers["/x.tgz"] = answer((tmp_path / "x.tgz").read_bytes())
    assert os.listdir(add(f"{server.address}/x.tgz") / "d") == ["x.tgz"]
    assert os.listdir(add(f"{server.address}/x.tgz", "/e/", unpack=True) / "e") == ["inside"]


def test_a_redirect_is_followed(server: Server, add: Callable[..., Path]):
    server.answers["/from"] = answer(b"", 302, Location="/to")
    server.answers["/to"] = answer(b"content")
    assert (add(f"{server.address}/from") / "d/from").read_bytes() == b"content"


def test_a_password_in_the_address_goes_to_the_server(server: Server, add: Callable[..., Path]):
    server.answers["/x"] = answer(b"content")
    add(server.address.replace("http://", "http://me:p%40ss@") + "/x")
    assert server.asked[-1]["Authorization"] == "Basic bWU6cEBzcw=="


def test_a_checksum_is_compared(server: Server, add: Callable[..., Path]):
    server.answers["/x"] = answer(b"content")
    digest = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    add(f"{server.address}/x", checksum=digest)
    with pytest.raises(MinirunError, match=f"digest mismatch {digest}: sha256:00"):
        add(f"{server.address}/x", checksum="sha256:" + "0" * 64)
    with pytest.raises(MinirunError, match="invalid checksum 'sha256:12'"):
        add(f"{server.address}/x", checksum="sha256:12")


def hang(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"some")
    threading.Event().wait(5)


WRONG: dict[str, tuple[Answer, str]] = {
    "not there": (answer(b"", 404), "/x: 404 Not Found"),
    "forbidden": (answer(b"", 403), "/x: 403 Forbidden"),
    "less than announced": (answer(b"some", Content_Length="100"), "cannot be reached|were announced"),
    "to nowhere": (answer(b"", 302, Location="http://127.0.0.1:1/x"), "cannot be reached"),
    "round": (answer(b"", 302, Location="/x"), "more than 5 redirects"),
    "elsewhere": (answer(b"", 302, Location="file:///etc/passwd"), "which is not https"),
    "hangs": (hang, "cannot be reached: it timed out"),
    "no length that is one": (answer(b"x", Content_Length="many"), ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_server_that_does_wrong_is_one_sentence(
    server: Server, add: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, case: str
):
    from minirun.image import transport

    if case == "hangs":  # on a busy machine a sound answer may take longer
        monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    monkeypatch.setattr(transport, "BACK_OFF_SECONDS", 0)
    server.answers["/x"], words = WRONG[case]
    if words:
        with pytest.raises(MinirunError, match=words):
            add(f"{server.address}/x")
    else:
        assert (add(f"{server.address}/x") / "d/x").exists()


def test_a_full_disk_is_one_sentence(
    server: Server, add: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    server.answers["/x"] = answer(b"content")
    monkeypatch.setattr(remote, "_write", full)
    with pytest.raises(MinirunError, match="/x: No space left on device"):
        add(f"{server.address}/x")


def test_nobody_there_is_said(add: Callable[..., Path]):
    with pytest.raises(
        MinirunError, match=r"http://127\.0\.0\.1:1/x cannot be reached: .*Connection refused"
    ):
        add("http://127.0.0.1:1/x")


def test_a_context_may_come_by_http(server: Server, paths: Paths, tmp_path: Path):
    import io

    (tmp_path / "Dockerfile").write_text("FROM tar")
    run("tar", "-cJf", tmp_path / "x", "-C", tmp_path, "Dockerfile", check=True)
    server.answers["/c"] = answer((tmp_path / "x").read_bytes())
    server.answers["/d"] = answer(b"FROM text")
    for path, text in (("/c", b"FROM tar"), ("/d", b"FROM text")):
        found, dockerfile, _ = context.load(paths, server.address + path, io.BytesIO())
        assert dockerfile == text
        found.close()
    found, dockerfile, _ = context.load(paths, str(tmp_path), io.BytesIO(), dockerfile=f"{server.address}/d")
    assert dockerfile == b"FROM text"
    found.close()


@pytest.mark.parametrize(
    ("sources", "options", "words"),
    [
        (["http://h/x"], {"is_add": False}, "source can't be a URL for COPY"),
        (["https://h/x.git"], {"is_add": False}, "source can't be a git ref for COPY"),
        (
            ["http://h/x", "a"],
            {"checksum": "sha256:" + "0" * 64},
            "checksum can't be specified for multiple sources",
        ),
        (["a:b"], {"checksum": "sha256:" + "0" * 64}, r"checksum requires HTTP\(S\) or Git sources"),
    ],
)
def test_what_makes_no_sense_is_refused(
    paths: Paths, sources: list[str], options: dict[str, object], words: str
):
    given = {"is_add": True, "checksum": "", "keep_git_dir": False, **options}
    with pytest.raises(MinirunError, match=words):
        remote.fetch_all(paths, sources, **given)  # type: ignore[arg-type]


def test_one_that_fails_leaves_nothing_of_the_others(server: Server, paths: Paths):
    server.answers["/x"] = answer(b"content")
    with pytest.raises(MinirunError, match="/y: 404"):
        remote.fetch_all(
            paths,
            [f"{server.address}/x", f"{server.address}/y"],
            is_add=True,
            checksum="",
            keep_git_dir=False,
        )


# ---- git --------------------------------------------------------------------------------------------------

SOURCES = {
    "https://github.com/me/repo.git": ("https://github.com/me/repo.git", "", ""),
    "https://h/repo.git#v1": ("https://h/repo.git", "v1", ""),
    "https://h/repo.git#v1:docs/a": ("https://h/repo.git", "v1", "docs/a"),
    "https://h/repo.git#:docs": ("https://h/repo.git", "", "docs"),
    "git@h:me/repo.git#main": ("git@h:me/repo.git", "main", ""),
    "git://h/repo": ("git://h/repo", "", ""),
    "ssh://git@h:22/repo#x": ("ssh://git@h:22/repo", "x", ""),
    "https://h/repo.git?branch=dev&subdir=a": ("https://h/repo.git", "refs/heads/dev", "a"),
    "https://h/repo.git?tag=v1": ("https://h/repo.git", "refs/tags/v1", ""),
}


@pytest.mark.parametrize(("text", "parts"), SOURCES.items())
def test_an_address_of_a_repository_is_taken_apart(text: str, parts: tuple[str, str, str]):
    source = remote.git_source(text)
    assert source
    assert (source.address, source.ref, source.directory) == parts


@pytest.mark.parametrize(
    "text",
    [
        "a.txt",
        "https://h/x.tar.gz",
        "https://h/repo.git/x",
        "github.com/me/repo",
        "./git@h",
        "https://h/x.github",
    ],
)
def test_other_sources_are_none(text: str):
    assert remote.git_source(text) is None


@pytest.mark.parametrize(
    "text", ["https://h/r.git#--upload-pack=x", "https://h/r.git#a%20b", "https://h/r.git?x=1"]
)
def test_what_is_no_ref_is_refused(text: str):
    with pytest.raises(MinirunError, match=r"https://h/r\.git"):
        remote.git_source(text)


def git(where: Path, *words: str) -> str:
    settings = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "protocol.file.allow=always"]
    return run("git", "-C", where, *settings, *words, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """git://.../repo with two commits, a tag at the first, a branch, and a hook; served by git-daemon(1)."""
    made = tmp_path / "git/repo"
    (made / "docs").mkdir(parents=True)
    git(made, "init", "-q", "-b", "main")
    (made / "a.txt").write_text("one")
    (made / "docs/d.txt").write_text("d")
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    (made / "out").symlink_to("../..")
    git(made, "add", ".")
    git(made, "commit", "-q", "-m", "1", "--date=2001-02-03T04:05:06Z")
    git(made, "tag", "v1")
    git(made, "branch", "side")
    (made / "a.txt").write_text("two")
    git(made, "commit", "-q", "-a", "-m", "2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        "--reuseaddr",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--export-all",
        f"--base-path={tmp_path}/git",
    ]
    daemon = subprocess.Popen(["/usr/lib/git-core/git-daemon", *words], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        threading.Event().wait(0.05)
    yield f"git://127.0.0.1:{port}/repo"
    daemon.terminate()
    daemon.wait(10)


@pytest.mark.parametrize(("ref", "text"), [("", "two"), ("#main", "two"), ("#v1", "one"), ("#side", "one")])
def test_a_repository_is_checked_out_at_its_ref(
    repository: str, add: Callable[..., Path], ref: str, text: str
):
    root = add(repository + ref)
    assert sorted(os.listdir(root / "d")) == ["a.txt", "docs", "out", "run.sh"]
    assert (root / "d/a.txt").read_text() == text
    assert [stat.S_IMODE((root / "d" / name).stat().st_mode) for name in ("a.txt", "run.sh")] == [
        0o644,
        0o755,
    ]


def test_a_commit_is_found_by_its_number_and_checked_by_its_checksum(
    repository: str, add: Callable[..., Path], tmp_path: Path
):
    first = git(tmp_path / "git/repo", "rev-parse", "v1")
    assert (add(f"{repository}#{first}", checksum=first[:12]) / "d/a.txt").read_text() == "one"
    assert (add(f"{repository}#{first[:10]}", "/e/") / "e/a.txt").read_text() == "one"
    with pytest.raises(MinirunError, match=f"expected checksum to match {first[:12]}, got "):
        add(repository, checksum=first[:12])


def test_a_directory_of_it_may_be_all(repository: str, add: Callable[..., Path]):
    assert os.listdir(add(f"{repository}#v1:docs") / "d") == ["d.txt"]
    for directory in ("none", "a.txt"):
        with pytest.raises(MinirunError, match=f"there is no none|{directory}: Not a directory"):
            add(f"{repository}#v1:{directory}")


def test_a_directory_that_leads_out_stays_inside(repository: str, add: Callable[..., Path]):
    assert "a.txt" in os.listdir(add(f"{repository}#main:out") / "d")


def test_the_git_directory_is_kept_on_request_and_the_same_each_time(repository: str, paths: Paths):
    digests = set()
    for _ in range(2):
        found = remote.fetch(paths, repository, keep_git_dir=True)
        assert ".git" in os.listdir(f"/proc/self/fd/{found.fd}")
        assert run("git", "-C", f"/proc/{os.getpid()}/fd/{found.fd}", "status", "--porcelain").stdout == ""
        digests.add(select(found, Order(["a.txt", "docs"], "/d/")).digest(Remembered(paths, "")))
        found.close()
    assert len(digests) == 1


def test_what_is_not_there_is_said_in_git_s_words(repository: str, add: Callable[..., Path]):
    with pytest.raises(MinirunError, match="git fetch: fatal: couldn't find remote ref nothing") as raised:
        add(f"{repository}#nothing")
    assert raised.value.hint == "is there such a branch or tag?"
    with pytest.raises(MinirunError, match="git fetch: fatal: "):
        add(repository.replace("/repo", "/none"))


def test_submodules_come_along_but_never_from_this_machine(
    repository: str, add: Callable[..., Path], tmp_path: Path
):
    other = tmp_path / "git/other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    git(other, "submodule", "--quiet", "add", repository, "good")
    git(other, "commit", "-q", "-m", "1")
    root = add(repository.replace("/repo", "/other"))
    assert sorted(os.listdir(root / "d/good")) == ["a.txt", "docs", "out", "run.sh"]
    git(other, "submodule", "--quiet", "add", str(tmp_path / "git/repo"), "bad")
    git(other, "commit", "-q", "-m", "2")
    with pytest.raises(MinirunError, match="git submodule: "):
        add(repository.replace("/repo", "/other"))


def test_a_context_may_be_a_repository(repository: str, paths: Paths, tmp_path: Path):
    import io

    (tmp_path / "git/repo/docs/Dockerfile").write_text("FROM git")
    (tmp_path / "git/repo/docs/.dockerignore").write_text("d.txt\n")
    git(tmp_path / "git/repo", "add", ".")
    git(tmp_path / "git/repo", "commit", "-q", "-m", "3")
    found, text, name = context.load(paths, f"{repository}#main:docs", io.BytesIO())
    assert (text, name, found.hides("d.txt")) == (b"FROM git", "Dockerfile", True)
    found.close()


# ---- whole builds -----------------------------------------------------------------------------------------


def test_a_build_is_done_again_when_what_comes_has_changed(minirun: Minirun, server: Server, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nADD {server.address}/x /x\nRUN cat /x\n")
    build = ("build", "--progress", "plain", tmp_path)
    server.answers["/x"] = answer(b"first ")
    assert "first" in minirun(*build, check=True).stderr
    assert minirun(*build, check=True).stderr.count("CACHED") == 3
    server.answers["/x"] = answer(b"second", Last_Modified=DATE)
    assert "second" in minirun(*build, check=True).stderr


def test_a_build_takes_a_repository_and_an_archive(minirun: Minirun, repository: str, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nADD {repository}#v1:docs /docs\nRUN ls /docs\n")
    run("tar", "-cf", tmp_path / "c.tar", "-C", tmp_path, "Dockerfile", check=True)
    assert "d.txt" in minirun("build", "--progress", "plain", tmp_path / "c.tar", check=True).stderr
