"""What the Docker at hand (20.10) is too old to be asked: builds with their result written down, and the rule for it.

The rules are the Dockerfile reference's, by heading, and where that is silent BuildKit's own code.
"""

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.buildkit import Case, Node, Ours, Outcome, case, directory, file, put, symlink, tar
from tests.support import Minirun

Expected = dict[str, Node | str | None]
"""Path in the image -> what has to be there; None where nothing may be. Times are looked at by tests of their own."""

D = {"d/a.txt": "a", "d/b.log": "b", "d/sub/c.txt": "c", "d/sub/d.log": "d", "f": "hello"}

# name -> the build, what its tree has to hold
TREES: dict[str, tuple[Case, Expected]] = {
    # "Here-Documents"
    "a here-document is run by the shell": (
        case("FROM busybox\nENV A=env\nRUN <<EOF\necho one > /one\necho $A > /two\nEOF\nRUN echo 3 > /three"),
        {"one": "one\n", "two": "env\n", "three": "3\n"},
    ),
    "a here-document fails only with its last line": (
        case("FROM busybox\nRUN <<EOF\nfalse\ntouch /x\nEOF"),
        {"x": ""},
    ),
    "a here-document with #! is a program": (
        case("FROM busybox\nRUN <<EOF\n#!/bin/sh\necho $0 > /name\nEOF"),
        {"name": "/dev/pipes/EOF\n", "dev/pipes": None},
    ),
    "a here-document for a command": (
        case("FROM busybox\nENV A=env\nRUN cat <<EOF > /a && cat <<'END' > /b\n$A\nEOF\n$A\nEND"),
        {"a": "env\n", "b": "$A\n"},
    ),
    "a here-document at a descriptor": (
        case("FROM busybox\nRUN cat /dev/fd/3 - 3<<A <<B > /f\nthree\nA\nzero\nB"),
        {"f": "three\nzero\n"},
    ),
    "a here-document without its tabs": (
        case(
            "FROM busybox\nRUN <<-EOF\n\tcat > /f <<-END\n\t\tx\n\tEND\n\tEOF\n"
            "COPY <<-EOF /g\n\t\ttabs\n\t  blanks\n\tEOF"
        ),
        {"f": "x\n", "g": "tabs\n  blanks\n"},
    ),
    "a here-document keeps what looks like a comment": (
        case("FROM busybox\nCOPY <<EOF /f\n# a\n\n  b \\\nc\nEOF"),
        {"f": "# a\n\n  b \nc\n"},
    ),
    "here-documents as files": (
        case(
            "FROM busybox\nARG A=arg\nENV E=env\nCOPY <<EOF /f\n$A ${E} \\$A ${N:-none}\nEOF\n"
            "COPY <<'EOF' /g\n$A ${E}\nEOF\nCOPY <<one <<two f /dir/\n1\none\n2\ntwo\n",
            {"f": "hello"},
        ),
        {"f": "arg env $A none\n", "g": "$A ${E}\n", "dir/one": "1\n", "dir/two": "2\n", "dir/f": "hello"},
    ),
    "here-documents with owner and mode": (
        case("FROM busybox\nCOPY --chown=5:6 --chmod=755 <<EOF /f\nx\nEOF\nADD <<EOF /g\ny\nEOF"),
        {"f": file("x\n", mode=0o755, owner=(5, 6)), "g": "y\n"},
    ),
    "an empty here-document": (case("FROM busybox\nCOPY <<EOF /f\nEOF"), {"f": ""}),
    # "COPY --link"
    "COPY --link does not follow links": (
        case("FROM busybox\nRUN mkdir /real && ln -s real /link\nCOPY --link f /link/f", D),
        {"real": directory(), "real/f": None, "link": directory(), "link/f": "hello"},
    ),
    "COPY --link makes its directories": (
        case("FROM busybox\nCOPY --link --chown=5:6 d /a/b/\nCOPY --link=false f /g", D),
        {
            "a": directory(owner=(5, 6)),
            "a/b": directory(owner=(5, 6)),
            "a/b/a.txt": file("a", owner=(5, 6)),
            "g": "hello",
        },
    ),
    "COPY --link from a stage": (
        case(
            "FROM busybox AS one\nRUN echo 1 > /f && chown 3 /f\nFROM scratch\nCOPY --link --from=one /f /x/"
        ),
        {"x/f": file("1\n", owner=(3, 0))},
    ),
    # "COPY --parents"
    "COPY --parents keeps the directories": (
        case("FROM busybox\nCOPY --parents d/a.txt d/sub f /x/", {**D, "d": directory(0o711)}),
        {
            "x/d": directory(0o711),
            "x/d/a.txt": "a",
            "x/d/b.log": None,
            "x/d/sub/c.txt": "c",
            "x/d/sub/d.log": "d",
            "x/f": "hello",
        },
    ),
    "COPY --parents from the pivot on": (
        case("FROM busybox\nCOPY --parents d/./sub/c.txt ./d/./b.log /x/", D),
        {"x/sub/c.txt": "c", "x/b.log": "b", "x/d": None},
    ),
    "COPY --parents and wildcards": (
        case(
            "FROM busybox\nCOPY --parents d/**/*.txt /x/\nCOPY --parents ./*/sub /y/\nCOPY --parents no** /z/",
            D,
        ),
        {
            "x/d/a.txt": "a",
            "x/d/sub/c.txt": "c",
            "x/d/sub/d.log": None,
            "y/d/sub/d.log": "d",
            "y/d/a.txt": None,
            "z/d": None,
        },
    ),
    # "COPY --exclude"
    "COPY --exclude": (
        case("FROM busybox\nCOPY --exclude=*.log d /x/\nCOPY --exclude=**/*.log --exclude=sub/c* d /y/", D),
        {
            "x/a.txt": "a",
            "x/b.log": None,
            "x/sub/d.log": "d",
            "y/a.txt": "a",
            "y/sub/c.txt": None,
            "y/sub/d.log": None,
        },
    ),
    "COPY --exclude from a stage, ADD --exclude": (
        case(
            "FROM busybox AS one\nCOPY d /d\nFROM scratch\n"
            "COPY --from=one --exclude=sub /d /x/\nADD --exclude=*.txt --exclude=!a.txt d /y/",
            D,
        ),
        {"x/a.txt": "a", "x/sub": None, "y/a.txt": "a", "y/b.log": "b", "y/sub/c.txt": "c"},
    ),
    # "COPY --chmod"
    "modes in letters": (
        case(
            "FROM busybox\nCOPY --chmod=u+x f /a\nCOPY --chmod=go= f /b\n"
            "COPY --chmod=a=rX d /c\nCOPY --chmod=u=rwx,g-r f /d",
            {"f": file("x", mode=0o644), "d/f": file("y", mode=0o600), "d/s": directory(0o700)},
        ),
        {
            "a": file("x", mode=0o744),
            "b": file("x", mode=0o600),
            "c/f": file("y", mode=0o444),
            "c/s": directory(0o555),
            "d": file("x", mode=0o704),
        },
    ),
    "all twelve bits of a mode": (  # fsutil copy/copy_nowindows.go
        case(
            "FROM busybox\nCOPY --chmod=4711 f /f\nCOPY --chmod=755 g /g",
            {"f": "x", "g": file("y", mode=0o6755)},
        ),
        {"f": file("x", mode=0o4711), "g": file("y", mode=0o755)},
    ),
    # "RUN --network", "RUN --mount=type=secret"
    "RUN --network=none": (
        case("FROM busybox\nRUN --network=none ls /sys/class/net > /net", None, "--network=default"),
        {"net": "lo\n"},
    ),
    "a secret in the environment": (
        case(
            "FROM busybox\nRUN --mount=type=secret,id=t,env=TOKEN echo $TOKEN > /e; ls /run/secrets > /ls; true\n"
            'RUN --mount=type=secret,id=t,env=T,target=/s test -n "$T" && cat /s > /both\n'
            'RUN --mount=type=secret,id=none,env=NONE echo "${NONE-unset}" > /none',
            {"secret": "the token"},
            "--secret",
            "id=t,src=secret",
        ),
        {"e": "the token\n", "ls": "", "both": "the token", "none": "unset\n", "s": None},
    ),
    "a mount's place with a variable": (
        case("FROM busybox\nARG WHERE=/m\nRUN --mount=target=${WHERE},source=d cp $WHERE/a.txt /a", D),
        {"a": "a", "m": None},
    ),
    "a bind mount is read-only": (
        case("FROM busybox\nRUN mkdir /m\nRUN --mount=source=d,target=/m touch /m/new; echo $? > /code", D),
        {"code": "1\n"},
    ),
    # executor/stubs.go: what was made for a mount and is empty goes
    "places of mounts that were not there": (
        case(
            "FROM busybox\nRUN --mount=target=/m/n --mount=type=tmpfs,target=/t --mount=type=cache,target=/c true\n"
            "RUN --mount=target=/k/l,source=d touch /k/stays",
            D,
        ),
        {"m": None, "t": None, "c": None, "k/l": None, "k/stays": ""},
    ),
    # "ADD --unpack"
    "ADD --unpack=false": (
        case(
            "FROM busybox\nADD --unpack=false a.tar /x/\nADD --unpack a.tar /y/", {"a.tar": tar({"in": "1"})}
        ),
        {"x/a.tar": file(tar({"in": "1"})), "x/in": None, "y/in": "1"},
    ),
    # "ONBUILD"
    "ONBUILD COPY --from": (
        case(
            "FROM busybox AS tools\nRUN echo tool > /tool\nFROM parent-that-copies",
            bases={"parent-that-copies": "FROM busybox\nONBUILD COPY --from=tools /tool /got"},
        ),
        {"got": "tool\n"},
    ),
    # "--build-context"
    "named contexts": (
        case(
            "FROM other\nCOPY --from=files f /f\nRUN --mount=from=files,target=/m cp /m/g /g; true\nCOPY h /h",
            {"h": "context", "named/f": "1", "named/g": "2"},
            "--build-context",
            "files=named",
            "--build-context",
            "other=docker-image://busybox",
        ),
        {"f": "1", "g": "2", "h": "context"},
    ),
    "a link's own kind": (
        case("FROM scratch\nCOPY d /d", {"d/l": symlink("../x")}),
        {"d/l": symlink("../x", mode=0o777)},
    ),
}

# name -> the build, keys of its config
CONFIGS: dict[str, tuple[Case, dict[str, Any]]] = {
    # "Environment replacement"
    "patterns in words": (
        case(
            "FROM scratch\nENV P=foobarbaz S=/a/b/c.tar.gz\n"
            "ENV A=${P#f*b} B=${P##f*b} C=${P%b*} D=${P%%b*} E=${P/ba/X} F=${P//ba/X} G=${S##*/} H=${S%%.*} "
            "I=${P#?} J=${P/b?r/} K=${N#x}"
        ),
        {
            "Env": [
                *("A=arbaz", "B=az", "C=foobar", "D=foo", "E=fooXrbaz", "F=fooXrXz"),
                *("G=c.tar.gz", "H=/a/b/c", "I=oobarbaz", "J=foobaz", "K="),
            ]
        },
    ),
    "set and empty": (
        case("FROM scratch\nENV E= A=a\nENV M1=${E-x} M2=${N-x} M3=${E+x} M4=${N+x} M5=${A:?no} M6=${E?no}"),
        {"Env": ["M1=", "M2=x", "M3=x", "M4=", "M5=a", "M6="]},
    ),
    # "HEALTHCHECK"
    "HEALTHCHECK --start-interval": (
        case("FROM scratch\nHEALTHCHECK --start-period=2s --start-interval=500ms CMD true"),
        {
            "Healthcheck": {
                "Test": ["CMD-SHELL", "true"],
                "StartPeriod": 2 * 10**9,
                "StartInterval": 500_000_000,
            }
        },
    ),
    "HEALTHCHECK of noughts": (
        case('FROM scratch\nHEALTHCHECK --interval=0s --retries=0 CMD ["a", "$HOME"]'),
        {"Healthcheck": {"Test": ["CMD", "a", "$HOME"]}},
    ),
    # "Parser directives"
    "directives": (
        case("# syntax=docker/dockerfile:1\n# check=skip=all\n# nosuch=thing\nFROM scratch\nENV A=1"),
        {"Env": ["A=1"]},
    ),
    # "Automatic platform ARGs in the global scope"; FROM an earlier stage takes its ARGs along: convert.go, init()
    "ARG of an earlier stage": (
        case("FROM scratch AS one\nARG A=1\nFROM one\nENV B=$A"),
        {"Env": ["B=1"]},
    ),
    "another platform": (
        case("FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH\nCOPY f /f", D, "--platform", "linux/arm64"),
        {"(top) architecture": "arm64", "Env": ["A=arm64"]},
    ),
    "WORKDIR is cleaned": (case("FROM scratch\nWORKDIR /a//b/../c/"), {"WorkingDir": "/a/c"}),
    "small letters and a group of lines": (
        case("from scratch as base\nenv A=1 \\\n  # comment\n  B=2\nfrom base\nlabel x=y"),
        {"Env": ["A=1", "B=2"], "Labels": {"x": "y"}},
    ),
}

# name -> the build, words of the one sentence it fails with
FAILURES: dict[str, tuple[Case, str]] = {
    "a variable that has to be set": (case("FROM scratch\nENV A=${B:?say_what}"), "B: say_what"),
    "a here-document without an end": (case("FROM busybox\nRUN <<EOF\ntrue\n"), "unterminated heredoc"),
    "a bad mode": (case("FROM busybox\nCOPY --chmod=9x f /f", D), "9x"),
    "COPY --from of a later stage": (
        case(
            "FROM busybox AS one\nCOPY --from=two /etc/passwd /p\nFROM busybox AS two\nCOPY --from=one /p /p"
        ),
        "circular dependency",
    ),
    "COPY --from with a variable": (
        case("FROM busybox AS one\nFROM busybox\nARG X=one\nCOPY --from=$X /etc/passwd /p"),
        "variable expansion is not supported for --from",
    ),
    "a kind of mount, nearly": (case("FROM busybox\nRUN --mount=type=secrt,id=x true"), "secret"),
    "an insecure RUN that was not allowed": (
        case("FROM busybox\nRUN --security=insecure true"),
        "security.insecure",
    ),
    "a checksum of what is no URL": (case("FROM scratch\nADD --checksum=sha256:12 f /f", D), "checksum"),
}


@pytest.fixture(scope="module")
def builder(busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Ours:
    base = tmp_path_factory.mktemp("fixtures")
    minirun = Minirun(root=base / "root", state=base / "state")
    minirun("load", "-i", busybox_tar, check=True)
    return Ours(base, minirun)


def built(builder: Ours, name: str, case: Case) -> Outcome:
    outcome = builder.build(name, case)
    assert outcome.code == 0, outcome.said
    return outcome


def differs(found: dict[str, Any] | None, wanted: Node | str | None) -> str:
    """ "" when `found`, an entry of a tree, is what was wanted."""
    if wanted is None or found is None:
        return "" if wanted is None and found is None else f"{found} instead of {wanted}"
    expected = wanted if isinstance(wanted, Node) else file(wanted)
    kind = {"file": "-", "directory": "d", "symlink": "l"}[expected.kind]
    uid, gid = expected.owner
    facts: dict[str, Any] = {"type": kind, "mode": oct(expected.mode), "owner": f"{uid}:{gid}"}
    if kind == "-":
        facts["content"] = hashlib.sha256(expected.content).hexdigest()
    if kind == "l":
        facts["target"] = expected.target
    return "" if facts.items() <= found.items() else f"{found} instead of {facts}"


@pytest.mark.parametrize("name", TREES)
def test_the_tree_is_as_the_rule_says(builder: Ours, name: str) -> None:
    case, expected = TREES[name]
    tree = built(builder, name, case).tree
    wrong = {path: differs(tree.get(path), wanted) for path, wanted in expected.items()}
    assert {path: words for path, words in wrong.items() if words} == {}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_config_is_as_the_rule_says(builder: Ours, name: str) -> None:
    case, expected = CONFIGS[name]
    config = built(builder, name, case).config
    for key, value in expected.items():
        if key == "Env":
            assert config["Env"][-len(value) :] == value
        else:
            assert config[key] == value


@pytest.mark.parametrize("name", FAILURES)
def test_it_fails_as_the_rule_says(builder: Ours, name: str) -> None:
    case, words = FAILURES[name]
    outcome = builder.build(name, case)
    assert outcome.code == 1
    assert words in outcome.said
    assert "Traceback" not in outcome.said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the URL at which it is served; modes there do not count."""
    root = tmp_path / "served"
    root.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield root, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_add_of_urls(builder: Ours, served: tuple[Path, str]) -> None:
    root, url = served
    put(root, {"f": file("fetched", mtime=1_234_567_890), "a.tar": tar({"in": "1"})})
    checksum = "sha256:" + hashlib.sha256(b"fetched").hexdigest()
    lines = [
        f"ADD {url}/f /name",
        f"ADD --chown=5:6 --chmod=755 {url}/f /dir/",
        f"ADD --checksum={checksum} {url}/f /checked",
        f"ADD {url}/a.tar /packed",
        f"ADD --unpack=true {url}/a.tar /unpacked",
    ]
    tree = built(builder, "urls", case("\n".join(["FROM scratch", *lines]))).tree
    assert not differs(tree["name"], file("fetched", mode=0o600))
    assert tree["name"]["mtime"] == 1_234_567_890 * 10**9  # Last-Modified
    assert not differs(tree["dir/f"], file("fetched", mode=0o755, owner=(5, 6)))
    assert not differs(tree["checked"], file("fetched", mode=0o600))
    assert not differs(tree["packed"], file(tar({"in": "1"}), mode=0o600))
    assert not differs(tree["unpacked/in"], "1")


@pytest.mark.parametrize(
    ("flag", "name", "words"), [("--checksum=sha256:" + "0" * 64, "f", "digest"), ("", "nosuch", "404")]
)
def test_add_of_a_url_that_fails(
    builder: Ours, served: tuple[Path, str], flag: str, name: str, words: str
) -> None:
    root, url = served
    put(root, {"f": "fetched"})
    outcome = builder.build(f"bad url {name}", case(f"FROM scratch\nADD {flag} {url}/{name} /f"))
    assert outcome.code == 1
    assert words in outcome.said


def test_times_of_copied_files_are_kept_to_the_nanosecond(builder: Ours) -> None:
    files = {"d/f": file("x", mtime=1_234_567_890), "d/l": symlink("f", mtime=1_200_000_000)}
    tree = built(builder, "times", case("FROM scratch\nCOPY d /d", files)).tree
    assert tree["d/f"]["mtime"] == 1_234_567_890 * 10**9
    assert tree["d/l"]["mtime"] == 1_200_000_000 * 10**9


def test_docker_runs_what_minirun_built(builder: Ours, docker: Any, tmp_path: Path) -> None:
    wanted = case(
        'FROM busybox\nCOPY f /f\nRUN echo run >> /f\nENV A=1\nENTRYPOINT ["cat", "/f"]', {"f": "copied\n"}
    )
    built(builder, "for docker", wanted)
    builder.minirun("save", "-o", tmp_path / "image.tar", "case/for-docker", check=True)
    docker("load", "-i", tmp_path / "image.tar")
    (facts,) = json.loads(docker("image", "inspect", "case/for-docker"))
    assert facts["Config"]["Env"][-1] == "A=1"
    assert docker("run", "--rm", "--network", "none", "case/for-docker") == "copied\nrun\n"
