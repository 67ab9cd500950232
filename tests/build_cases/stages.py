"""Builds of several stages, and what lies around a build: targets, ignored files, where the Dockerfile comes from."""

from tests.buildkit import Case, case, directory, file, symlink, tar

CASES: dict[str, Case] = {
    "two stages": case(
        """FROM busybox AS build
        RUN mkdir /out && echo built > /out/app
        ENV BUILD=only
        FROM scratch
        COPY --from=build /out/app /app
        ENTRYPOINT ["/app"]
        """
    ),
    "target by name": case(
        "FROM busybox AS one\nENV ONE=1\nFROM one AS two\nENV TWO=2\nFROM two\nENV THREE=3",
        {},
        "--target",
        "TWO",
    ),
    "a stage that nobody needs": case(
        "FROM busybox AS broken\nRUN exit 1\nCOPY nosuch /\nFROM nosuch/image:never AS other\nFROM busybox\nENV A=1"
    ),
    "a stage from a stage from a stage": case(
        """FROM busybox AS a
        RUN echo a > /a
        FROM a AS b
        RUN echo b > /b
        FROM b
        COPY --from=a /a /from-a
        RUN cat /a /b > /ab
        """
    ),
    "a diamond": case(
        """FROM busybox AS base
        RUN echo base > /base
        FROM base AS left
        RUN echo left > /left
        FROM base AS right
        RUN echo right > /right
        FROM scratch
        COPY --from=left /left /base /
        COPY --from=right /right /
        """
    ),
    "a stage named twice": case(
        "FROM busybox AS x\nRUN echo 1 > /f\nFROM busybox AS x\nRUN echo 2 > /f\nFROM scratch\nCOPY --from=x /f /f"
    ),
    "a stage named as an image": case(
        "FROM busybox AS busybox\nENV A=1\nFROM busybox\nENV B=2\nCOPY --from=busybox /etc/group /g"
    ),
    "the same base twice": case("FROM busybox\nENV A=1\nFROM busybox\nENV B=2"),
    "an ignore file": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "# a comment\n*.log\n/top\ndir/*\n!dir/keep\n**/deep.txt\n\n a b \nno/**\n?.md\n",
            **dict.fromkeys(
                ("a.log", "top", "dir/x", "dir/keep", "deep.txt", "s/u/deep.txt", "s/a.log"), "1"
            ),
            **dict.fromkeys(("a b", "no/one", "a.md", "ab.md", "s/top"), "2"),
        },
    ),
    "exceptions of an ignore file, in order": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "*\n!a\n!d\nd/no\n!d/no/but\n!e/f\n",
            **dict.fromkeys(("a", "b", "d/x", "d/no/x", "d/no/but", "e/f", "e/g", "ee/f"), "1"),
        },
    ),
    "an ignore file with slashes and dots": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "./a\n/b/\nc/../d\ne/.\n!b/keep\n f \n**/g/**\n!**/g/keep\nh*i\n[jk]\n",
            **dict.fromkeys(("a", "b/x", "b/keep", "c/x", "d", "e/x", "f", "x/g/y", "x/g/keep", "g/z"), "1"),
            **dict.fromkeys(("hi", "hxi", "h/i", "j", "k", "l"), "2"),
        },
    ),
    "an ignored Dockerfile": case(
        "FROM busybox\nCOPY . /x/", {".dockerignore": "Dockerfile\n.dockerignore\n", "f": "1"}
    ),
    "an ignore file of a Dockerfile": case(
        "",
        {
            "sub/My.Dockerfile": "FROM busybox\nCOPY . /x/",
            "sub/My.Dockerfile.dockerignore": "a\n",
            ".dockerignore": "b\n",
            "a": "1",
            "b": "2",
        },
        "-f",
        "sub/My.Dockerfile",
    ),
    "an ignore file and a bind mount": case(
        "FROM busybox\nRUN mkdir /m\nRUN --mount=target=/m ls -A /m > /ls",
        {".dockerignore": "a\n.d*", "a": "1", "b": "2"},
    ),
    "an ignored directory and links": case(
        "FROM busybox\nCOPY . /x/\nCOPY l /l/",
        {".dockerignore": "d/no\n", "d/no": "1", "d/yes": "2", "l": symlink("d")},
    ),
    "an ignore file and --from": case(
        "FROM busybox AS one\nRUN echo 1 > /f.log\nFROM busybox\nCOPY --from=one /f.log /",
        {".dockerignore": "*.log\n"},
    ),
    "Dockerfile elsewhere": case("", {"other/D": "FROM busybox\nCOPY f /f", "f": "1"}, "-f", "other/D"),
    "Dockerfile outside of the context": case(
        "", {"D": "FROM busybox\nCOPY . /x/", "ctx/f": "1"}, "-f", "D", context="ctx"
    ),
    "Dockerfile on standard input": case("", {"f": "1"}, "-f", "-", stdin=b"FROM busybox\nCOPY f /f"),
    "Dockerfile alone on standard input": case(
        "", {}, context="-", stdin=b"FROM busybox\nENV A=1\nRUN echo 1 > /f"
    ),
    "a tar on standard input": case(
        "",
        {},
        context="-",
        stdin=tar(
            {"Dockerfile": "FROM busybox\nCOPY d /d\nCOPY f /", "d/x": file("1", owner=(5, 6)), "f": "2"},
            "gz",
        ),
    ),
    "a tar on standard input and -f": case(
        "",
        {},
        "-f",
        "sub/D",
        context="-",
        stdin=tar({"sub/D": "FROM busybox\nCOPY . /x/", ".dockerignore": "no\n", "no": "1", "yes": "2"}),
    ),
    "a context of private directories": case(
        "FROM busybox\nCOPY . /x\nCOPY a /y",
        {"a": directory(0o700), "a/b": directory(0o711), "a/b/c": file("1", mode=0o600)},
    ),
    "target of a stage in the middle": case(
        """FROM busybox AS a
        RUN echo a > /a
        FROM busybox AS b
        RUN exit 1
        FROM a AS c
        RUN exit 1
        """,
        {},
        "--target",
        "a",
    ),
    "labels and arguments with equal signs": case(
        "FROM busybox\nARG V\nLABEL v=$V", {}, "--label", "x=a=b", "--label", "y=", "--build-arg", "V=1=2"
    ),
    "an ignore file of odd lines": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "\ufeff# bom\r\na\r\n\\#hash\nq/**/r\n!keep/\nspace \\ x\n../out\n[ab]c\n?\n",
            **dict.fromkeys(
                ("a", "#hash", "keep/k", "ac", "bc", "cc", "z", "q/r", "q/s/r", "q/s/t", "out"), "1"
            ),
        },
    ),
    "an ignore file with exceptions by wildcards": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "**\n!**/*.go\n!go.mod\n**/x_test.go\n",
            **dict.fromkeys(
                ("go.mod", "main.go", "x_test.go", "p/a.go", "p/x_test.go", "p/q/b.go", "README"), "1"
            ),
        },
    ),
    "an ignore file with a directory's exception": case(
        "FROM busybox\nCOPY . /x/",
        {
            ".dockerignore": "modules\n!modules/keep\n*/cache\n!a/cache/x\n",
            **dict.fromkeys(
                ("modules/a", "modules/keep/b", "a/cache/x", "a/cache/y", "b/cache/z", "cache/w"), "1"
            ),
        },
    ),
    "an empty ignore file": case("FROM busybox\nCOPY . /x/", {".dockerignore": "", "a": "1"}),
    "a Dockerfile in small letters": case("", {"dockerfile": "FROM busybox\nENV A=1"}),
}
