"""What ADD and a context take from elsewhere: a file by http or https, a repository by git(1).

    https://HOST/a/x.tar.gz               one file, x.tar.gz: mode 0600, dated Last-Modified, else 1970
    https://HOST/repo.git#v1.2:docs       a repository at a branch, tag or commit, or a directory in it
    git@HOST:me/repo.git, ssh:, git:      the same

Each goes into a directory of the build's own (scratch.py).  A repository is fetched without its history where the
server allows it, its hooks are not run, and it cannot ask for a password.  Its files are dated by the commit, so that
the same commit gives the same layer.

See      moby/buildkit util/gitutil, source/git, source/http; git-fetch(1); gitsubmodules(7)
By hand  curl -fLO ADDRESS; git fetch --depth=1 REPOSITORY REF && git checkout FETCH_HEAD
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from minirun.build.scratch import Scratch
from minirun.build.tree import Context, open_beneath, resolve
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.image import settings as registries
from minirun.image.settings import Settings
from minirun.linux import programs

if TYPE_CHECKING:
    from minirun.image.transport import Response, Transport
    from minirun.paths import Paths

UNNAMED = "__unnamed__"  # as BuildKit calls what has no name in its address
_GIT_SECONDS = 1800  # for one git(1)
_LARGEST_BYTES = 64 << 30
_TRIES = 3
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SCP = re.compile(r"[\w.-]+@[\w.-]+:[^\s]+")  # git@github.com:me/repo.git
_GIT_ADDRESS = re.compile(r"(?:https?://[^#?]+\.git|(?:ssh|git)://[^#?]+)")
_GIT_VARIABLES = (
    "GIT_TERMINAL_PROMPT=0",
    "GIT_ALLOW_PROTOCOL=http:https:git:ssh",  # of submodules, too: no local paths, no commands
    "GIT_LFS_SKIP_SMUDGE=1",
    "LC_ALL=C",
)
_GIT_SETTINGS = {
    "advice.detachedHead": "false",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "init.defaultBranch": "main",
}


class Remote(Context):
    """What came: `name` is the file to take of it, or "/" for all."""

    def __init__(self, held: Scratch, shown: str, name: str, directory: int = -1) -> None:
        super().__init__(os.dup(held.fd) if directory < 0 else directory, shown, held=held)
        self.name = name


def is_remote(source: str) -> bool:
    """Whether a source of ADD is an address, and not a path."""
    return is_url(source) or git_source(source) is not None


def is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def fetch(paths: Paths, source: str, *, checksum: str = "", keep_git_dir: bool = False) -> Remote:
    """What ADD SOURCE names.  Raises MinirunError; the caller closes it."""
    if repository := git_source(source):
        return checkout(paths, repository, checksum=checksum, keep_git_dir=keep_git_dir)
    return download(paths, source, checksum)


def fetch_all(
    paths: Paths, sources: list[str], *, is_add: bool, checksum: str, keep_git_dir: bool
) -> dict[str, Remote]:
    """What comes for those sources of an instruction that are addresses.  The words of its errors are BuildKit's."""
    addresses = [source for source in sources if is_remote(source)]
    if addresses and not is_add:
        what = "a git ref" if git_source(addresses[0]) else "a URL"
        raise UsageError(f"source can't be {what} for COPY", "ADD takes one")
    if checksum and len(sources) != 1:
        raise UsageError("checksum can't be specified for multiple sources")
    if checksum and not addresses:
        raise UsageError("checksum requires HTTP(S) or Git sources")
    found: dict[str, Remote] = {}
    try:
        for source in addresses:
            if source not in found:
                found[source] = fetch(paths, source, checksum=checksum, keep_git_dir=keep_git_dir)
    except BaseException:
        for remote in found.values():
            remote.close()
        raise
    return found


# ---- http -------------------------------------------------------------------------------------------------


class _AsAsked(Settings):
    """Settings for addresses that were written down in full: http:// means that."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings._registries, settings.limits)

    def allows_plain(self, host: str) -> bool:
        return True


def file_name(address: str) -> str:
    """What the file of an address is called."""
    name = os.path.basename(unquote(urlsplit(address).path))
    return UNNAMED if name in ("", ".", "..") or "\0" in name else name


def download(paths: Paths, address: str, checksum: str = "") -> Remote:
    """The file at `address`, checked against `sha256:...` if that is given."""
    from minirun.image.transport import Transport

    if checksum and not _SHA256.fullmatch(checksum):
        raise UsageError(f"invalid checksum {checksum!r}", "sha256: and 64 hexadecimal digits")
    held = Scratch(paths)
    try:
        name = file_name(address)
        transport = Transport(_AsAsked(registries.load(paths.registries)))
        response, _ = transport.send("GET", _without_user(address), _headers(address), b"", "", _TRIES)
        if response.status != 200:
            transport.close(response)
            raise MinirunError(f"{address}: {response.status} {response.reason or ''}".rstrip())
        found = _save(transport, response, address, held.fd, name)
        if checksum and found != checksum:
            raise MinirunError(
                f"{address}: digest mismatch {found}: {checksum}", "it is not what was expected"
            )
        return Remote(held, address, name)
    except BaseException as error:
        held.close()
        if isinstance(error, OSError):
            raise MinirunError(f"{address}: {error.strerror or error}") from None
        raise


def _headers(address: str) -> dict[str, str]:
    """`user:password@` in an address is for the server alone."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "minirun"}
    user, at, _ = urlsplit(address).netloc.rpartition("@")
    if at:
        from base64 import b64encode

        headers["Authorization"] = "Basic " + b64encode(unquote(user).encode()).decode()
    return headers


def _without_user(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _save(transport: Transport, response: Response, address: str, directory: int, name: str) -> str:
    """Write the body; returns its digest."""
    from minirun.image import transport as http

    hashed, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, 0o600, dir_fd=directory), "wb", buffering=0) as file:
        try:
            for chunk in transport.stream(response):
                size += len(chunk)
                if size > _LARGEST_BYTES:
                    raise MinirunError(f"{address}: it is larger than {_LARGEST_BYTES >> 30} GiB")
                hashed.update(chunk)
                _write(file.fileno(), chunk)
        except http.HTTPError as error:
            raise http.failure(address, error) from error
        finally:
            transport.close(response)
        _check_length(response, address, size)
        when = _moment(response.headers.get("Last-Modified", ""))
        os.utime(file.fileno(), (when, when))
    return f"sha256:{hashed.hexdigest()}"


def _moment(date: str) -> float:
    """An HTTP date as seconds since 1970; 0 for none, or one that makes no sense."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _check_length(response: Response, address: str, size: int) -> None:
    said = response.headers.get("Content-Length", "")
    if said.isdecimal() and int(said) != size:
        raise MinirunError(f"{address}: {size} bytes came, and {said} were announced")


# ---- git --------------------------------------------------------------------------------------------------


class Repository:
    """Where a repository is, and what of it is meant."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ref = ""
        self.directory = ""
        self.checksum = ""
        self.keep_git_dir = False
        self.submodules = True


def git_source(text: str, *, or_path: bool = False) -> Repository | None:
    """The repository that `text` names, or None.  `or_path`: also what a path could be called, github.com/me/repo.

    Raises UsageError for what is wrong after its # or its ?.
    """
    if or_path and text.startswith("github.com/"):
        text = f"https://{text}"
        address = re.split(r"[#?]", text, maxsplit=1)[0]
    else:
        found = _SCP.match(re.split(r"[#?]", text, maxsplit=1)[0]) or _GIT_ADDRESS.match(text)
        address = found[0] if found else ""
    rest = text[len(address) :]
    if not address or (rest and rest[0] not in "#?"):
        return None
    source = Repository(address)
    query, _, fragment = rest.partition("#")
    source.ref, _, source.directory = unquote(fragment).partition(":")
    _take_query(source, query.removeprefix("?"), text)
    if source.ref.startswith("-") or re.search(r"[\s\0]", source.ref):
        raise UsageError(f"{text}: {source.ref!r} is no branch, tag or commit")
    return source


def _take_query(source: Repository, query: str, text: str) -> None:
    for key, values in parse_qs(query, keep_blank_values=True).items():
        value = values[-1]
        if key in ("ref", "branch", "tag", "commit") and not source.ref:
            source.ref = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(key, "") + value
        elif key == "subdir" and not source.directory:
            source.directory = value
        elif key == "checksum":
            source.checksum = value
        elif key == "keep-git-dir":
            source.keep_git_dir = value in ("", "1", "true")
        elif key == "submodules":
            source.submodules = value in ("", "1", "true")
        else:
            raise UsageError(f"{text}: {key!r} is not known, or was said twice")


def checkout(paths: Paths, source: Repository, *, checksum: str = "", keep_git_dir: bool = False) -> Remote:
    """The files of a repository; the directory that is meant becomes the root."""
    held = Scratch(paths)
    try:
        git = _Git(held.path, source)
        git.check_out()
        commit = git("rev-parse", "HEAD").strip()
        for expected in filter(None, (checksum, source.checksum)):
            if not commit.startswith(expected):
                raise MinirunError(f"{source.address}: expected checksum to match {expected}, got {commit}")
        _tidy(git, held.path, keep=keep_git_dir or source.keep_git_dir)
        return Remote(held, source.address, "/", _directory(held.fd, source))
    except BaseException:
        held.close()
        raise


def _directory(root: int, source: Repository) -> int:
    path, status = resolve(root, source.directory)
    if status is None:
        raise NotFoundError(f"{source.address}: there is no {source.directory} at {source.ref or 'HEAD'}")
    try:
        return open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MinirunError(f"{source.address}: {source.directory}: {error.strerror}") from None


class _Git:
    """git(1) in one directory: git("fetch", ...) returns what it printed.  Raises MinirunError."""

    def __init__(self, path: str, source: Repository) -> None:
        self._source = source
        program = programs.find("git")
        self._words = ["timeout", "-k", "5", str(_GIT_SECONDS), "env", *_GIT_VARIABLES, program, "-C", path]
        for name, value in _GIT_SETTINGS.items():
            self._words += ["-c", f"{name}={value}"]

    def attempt(self, *words: str) -> programs.Result:
        before = os.umask(0o022)  # files are 644 or 755, whatever ours is
        try:
            return programs.run([*self._words, *words])
        finally:
            os.umask(before)

    def __call__(self, *words: str) -> str:
        result = self.attempt(*words)
        if result.code == 124:
            raise MinirunError(f"{self._source.address}: git {words[0]} has not ended in {_GIT_SECONDS} s")
        if result.code:
            raise MinirunError(
                f"{self._source.address}: git {words[0]}: {result.reason}", _hint(result.errors)
            )
        return result.output

    def check_out(self) -> None:
        source = self._source
        self("init", "-q")
        self("remote", "add", "origin", source.address)
        if self.attempt("fetch", "-q", "--depth=1", "--no-tags", "origin", source.ref or "HEAD").code == 0:
            self("checkout", "-q", "--detach", "FETCH_HEAD")
        elif _COMMIT.fullmatch(source.ref):  # a server need not give any commit that is asked for
            self("fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
            self("checkout", "-q", "--detach", source.ref)
        else:
            self("fetch", "-q", "--depth=1", "--no-tags", "origin", source.ref or "HEAD")  # for its words
            self("checkout", "-q", "--detach", "FETCH_HEAD")
        if source.submodules:
            self("submodule", "update", "-q", "--init", "--recursive", "--depth=1")


def _hint(errors: str) -> str:
    if "couldn't find remote ref" in errors:
        return "is there such a branch or tag?"
    return "git could ask nobody for a password" if "terminal prompts disabled" in errors else ""


def _tidy(git: _Git, path: str, *, keep: bool) -> None:
    """Date all by the commit.  `.git` goes, or loses what differs from one checkout to the next."""
    from minirun import files

    when = int(git("log", "-1", "--format=%ct").strip() or "0")
    if keep:
        for name in ("index", "FETCH_HEAD", "ORIG_HEAD", "logs", "hooks"):
            files.remove_tree(f"{path}/.git/{name}")
        git("read-tree", "HEAD")  # an index without the times of this machine
    for _, directories, names, fd in os.fwalk(path, topdown=False):
        if not keep and ".git" in (*names, *directories):  # a file in a submodule
            files.remove_tree(f"/proc/self/fd/{fd}/.git")
        for name in {*names, *directories} - {"" if keep else ".git"}:
            os.utime(name, (when, when), dir_fd=fd, follow_symlinks=False)
        os.utime(fd, (when, when))
