"""Builds with COPY and ADD: what lands where, with which mode, owner and time."""

import struct

from tests.buildkit import Case, Files, case, directory, fifo, file, link, symlink, tar

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service+ep: capabilities(7)
SOURCES: Files = {
    "d": directory(),
    "d/one": file("1", mode=0o600, owner=(7, 8)),
    "d/sub": directory(0o700),
    "d/sub/two": file("2", mode=0o755, mtime=1_100_000_000),
    "d/link": symlink("one"),
    "d/dangling": symlink("/no/where"),
    "d/hard": link("d/one"),
    "d/.hidden": "h",
    "d/empty": directory(0o2755),
    "private": directory(0o700),
    "private/p": "p",
    "f": "hello",
    "g": file("set", mode=0o4755),
    "to-f": symlink("f"),
    "to-d": symlink("d"),
}
# without bits that Docker 20.10 leaves as they are, whatever --chmod says
PLAIN: Files = {name: value for name, value in SOURCES.items() if name not in ("d/empty", "g")}
INSIDE: Files = {
    "top": directory(0o750, owner=(3, 4)),
    "top/file": file("in the tar", mode=0o640, owner=(3, 4), mtime=1_200_000_000),
    "top/link": symlink("file", owner=(3, 4)),
    "top/hard": link("top/file"),
    "top/pipe": fifo(),
    "setuid": file("s", mode=0o4755),
}

CASES: dict[str, Case] = {
    "directory to a new place": case("FROM busybox\nCOPY d /x\nCOPY d/ /y/\nCOPY d z/deep", SOURCES),
    "directory to one that is there": case(
        "FROM busybox\nRUN mkdir -m 711 /x && chown 9:9 /x\nCOPY d /x\nCOPY private /tmp\nCOPY d /", SOURCES
    ),
    "directories inside that are there": case(
        """FROM busybox
        RUN mkdir -p /x/sub /x/empty && chmod 711 /x/sub && chown 9:9 /x/sub && echo keep > /x/sub/keep
        COPY d /x
        COPY --chown=4 d /x/
        """,
        SOURCES,
    ),
    "private directory": case("FROM busybox\nCOPY private /p\nCOPY private /q/\nCOPY private/. /r/", SOURCES),
    "the whole context": case("FROM busybox\nCOPY . .\nCOPY . /all/\nCOPY / /slash/\nCOPY ./ /dot", SOURCES),
    "file to a name and into a directory": case(
        "FROM busybox\nCOPY f /name\nCOPY f /dir/\nCOPY f /etc\nCOPY f /a/b/c\nCOPY f tmp\nCOPY g .", SOURCES
    ),
    "several sources": case("FROM busybox\nCOPY f g d /x/\nCOPY f d/one private /etc/", SOURCES),
    "several sources without a slash": case("FROM busybox\nRUN mkdir /x\nCOPY f g /x", SOURCES),
    "several sources over one file": case("FROM busybox\nCOPY f g /x", SOURCES),
    "wildcards": case(
        """FROM busybox
        COPY d/* /star/
        COPY ? /one/
        COPY [fg] /class/
        COPY d*/one /parts/
        COPY d/s*/t* /deep/
        COPY to-* /links/
        COPY [a-g] /range/
        """,
        {name: value for name, value in SOURCES.items() if name != "d/dangling"},
    ),
    "wildcard that finds nothing": case("FROM busybox\nCOPY nosuch* /x\nCOPY nosuch* f /y/", SOURCES),
    "wildcard characters that are meant": case("FROM busybox\nCOPY a[[]b]c /x", {"a[b]c": "1", "abc": "2"}),
    "links as sources": case(
        "FROM busybox\nCOPY to-f /f\nCOPY to-d /d\nCOPY to-d/one /one\nCOPY d/link /l", SOURCES
    ),
    "links in the destination": case(
        """FROM busybox
        RUN mkdir /real && ln -s real /link && ln -s /real/new /new && ln -s ../../../real /up && echo old > /real/f
        COPY f /link/
        COPY d /link/sub/
        COPY private /up
        COPY f /new
        RUN ln -s /real/target /file-link && echo old > /real/target
        COPY g /file-link
        """,
        SOURCES,
    ),
    "a context outside is not reached": case(
        "FROM busybox\nCOPY ../f /x\nCOPY /f /y\nCOPY d/../../../f /z\nCOPY ../../d/ /w", SOURCES
    ),
    "links that lead out of the context": case(
        "FROM busybox\nCOPY out /x/\nCOPY absolute /y",
        {"out/a": symlink("../../../../etc/passwd"), "absolute": symlink("/f"), "f": "inside"},
    ),
    "owner by number": case(
        """FROM busybox
        COPY --chown=5 d /five
        COPY --chown=5:6 f /deep/er/f
        COPY --chown=0:8 f /group
        COPY --chown=5:6 f d /tmp/
        """,
        SOURCES,
    ),
    "owner by name": case(
        """FROM busybox
        RUN echo 'app:x:1001:1002::/:/bin/sh' >> /etc/passwd && echo 'team:x:2001:' >> /etc/group
        COPY --chown=app f /app
        COPY --chown=app:team d /team
        COPY --chown=app:7 f /seven
        COPY --chown=3:team f /three
        COPY --chown=nobody f /nobody
        ADD --chown=root:team f /root
        """,
        SOURCES,
    ),
    "owner that is not there": case("FROM busybox\nCOPY --chown=nosuch f /f", SOURCES),
    "mode with special bits": case("FROM busybox\nCOPY --chmod=4711 f /f\nCOPY --chmod=755 g /g", SOURCES),
    "owner does not follow USER": case("FROM busybox\nUSER 5\nCOPY f /home/\nADD d /home/d/", SOURCES),
    "mode": case(
        "FROM busybox\nCOPY --chmod=640 f /f\nCOPY --chmod=0755 d /d\nCOPY --chmod=711 f d /x/", PLAIN
    ),
    "mode and owner": case("FROM busybox\nCOPY --chown=1:2 --chmod=604 d /d\nADD --chmod=700 f /f", PLAIN),
    "file over file and link over file": case(
        """FROM busybox
        RUN echo long old content > /f && chmod 600 /f && chown 3 /f && ln /f /other && ln -s f /l && mkdir /d
        COPY f /f
        COPY d/sub/two /l
        COPY links /
        """,
        {**SOURCES, "links/f": symlink("elsewhere"), "links/other": "plain"},
    ),
    # each with a content of its own: BuildKit takes files of the same content for one, in builds at the same time
    "capabilities of a file": case(
        "FROM busybox\nCOPY f /f\nADD f /added",
        {"f": file("capable", mode=0o755, xattrs={"security.capability": CAPABILITY})},
    ),
    "capabilities in an archive and a stage": case(
        "FROM busybox AS one\nADD a.tar /\nFROM busybox\nCOPY --from=one /f /f\nRUN cp /f /g && chmod 755 /f",
        {"a.tar": tar({"f": file("archived", mode=0o755, xattrs={"security.capability": CAPABILITY})})},
    ),
    "attributes of a user": case(
        "FROM busybox\nCOPY f /f\nCOPY --chown=5 f /owned\nCOPY d /d\nADD f /added",
        {"f": file("noted", mode=0o755, xattrs={"user.note": b"kept"}), "d": directory(), "d/g": "1"},
    ),
    "names of every kind": case(
        "FROM busybox\nCOPY . /x/",
        {
            "with blank": "1",
            "ünï": "2",
            "new\nline": "3",
            "-dash": "4",
            "back\\slash": "5",
            "[a]": "6",
            "#h": "7",
        },
    ),
    "pipes are not copied": case("FROM busybox\nCOPY d /d", {"d/pipe": fifo(), "d/f": "1"}),
    "empty directories": case(
        "FROM busybox\nCOPY e /e1\nCOPY e /e2/\nCOPY e /e2/\nCOPY e f /e3/", {"e": directory(0o711), "f": "1"}
    ),
    "destination from WORKDIR": case(
        "FROM busybox\nWORKDIR /work/dir\nCOPY f .\nCOPY f ./sub/\nCOPY f ../up\nCOPY d x\nCOPY f ../../../top",
        SOURCES,
    ),
    "the same file twice": case("FROM busybox\nCOPY f /f\nCOPY f /f\nADD f /f", SOURCES),
    "ADD unpacks archives": case(
        """FROM busybox
        ADD plain /plain
        ADD zipped.txt /zipped/
        ADD b x /both/
        ADD plain f /more/
        COPY plain /as-it-is
        """,
        {
            "plain": tar(INSIDE),
            "zipped.txt": tar(INSIDE, "gz"),
            "b": tar({"b": "bzip2"}, "bz2"),
            "x": tar({"x": "xz"}, "xz"),
            "f": "no archive",
        },
    ),
    "ADD of an archive with an owner": case(
        "FROM busybox\nADD --chown=9:9 a.tar f /owned/",
        {"a.tar": tar({"in": file("1", owner=(3, 4))}), "f": "2"},
    ),
    "ADD over what is there": case(
        """FROM busybox
        RUN mkdir -m 700 /t /t/top && echo old > /t/setuid && ln -s top /t/l && mkdir /t/was-directory
        ADD a.tar /t
        ADD a.tar /tmp
        """,
        {"a.tar": tar({**INSIDE, "l/through": "1", "was-directory": "file now"})},
    ),
    "ADD of what is no archive": case(
        "FROM busybox\nADD a.tar /x\nADD b.gz /y\nADD d /z\nADD empty.tar /e",
        {"a.tar": "not a tar", "b.gz": b"\x1f\x8b\x08not gzip", "d/in.tar": tar(INSIDE), "empty.tar": ""},
    ),
    "ADD by a wildcard": case(
        "FROM busybox\nADD *.tar f /all/", {"a.tar": tar({"a": "1"}), "b.tar": tar({"sub/b": "2"}), "f": "3"}
    ),
    "ADD of a tar with odd names": case(
        "FROM busybox\nADD a.tar /x",
        {"a.tar": tar({"./dot/f": "1", "/absolute": "2", "a/../b": "3", "long" * 60: "4", "ü": "5"})},
    ),
    "COPY from a stage": case(
        """FROM busybox AS one
        RUN mkdir -p /d/sub && echo 1 > /d/a && chown 5:6 /d/a && chmod 700 /d/sub && ln -s a /d/l && ln /d/a /d/h
        RUN mkfifo /d/pipe && chown -h 3 /d/l && chmod 4755 /d/a && touch -d '2001-01-01 00:00:00' /d/a
        FROM busybox
        COPY --from=one /d /x
        COPY --from=0 /d/a /y/
        COPY --from=one --chown=1:1 /d /z
        COPY --from=one d/l /l
        """
    ),
    "COPY from an image": case("FROM busybox\nCOPY --from=busybox /etc/passwd /bin/true /x/"),
    "COPY from a stage that removed": case(
        """FROM busybox AS one
        RUN mkdir /d && touch /d/a /d/b
        RUN rm /d/a && rm -r /home && mkdir /home && touch /home/new
        FROM scratch
        COPY --from=one /d /d
        COPY --from=one /home /home
        """
    ),
    "COPY of links from a stage": case(
        """FROM busybox AS one
        RUN mkdir /d && echo inside > /f && ln -s /f /d/absolute && ln -s ../f /d/relative && ln -s ../../../f /out
        RUN ln -s d /dl
        FROM busybox
        COPY --from=one /d/absolute /a
        COPY --from=one /d/relative /r
        COPY --from=one /out /o
        COPY --from=one /dl /dl
        COPY --from=one /dl/relative /e
        """
    ),
    "destinations with dots": case("FROM busybox\nCOPY d/. /x/.\nCOPY f /y/../z\nCOPY d /w/..//v/", SOURCES),
    "a file into a directory called dot": case("FROM busybox\nCOPY f /d/.", SOURCES),
    "sources with slashes": case(
        """FROM busybox
        COPY ./f /a
        COPY d/ /b
        COPY ./d/sub/ /c
        COPY d//one /d
        COPY to-d/ /e
        COPY to-d/sub /g
        """,
        SOURCES,
    ),
    "COPY from a stage by wildcards": case(
        """FROM busybox AS one
        RUN mkdir -p /d/s1 /d/s2 && touch /d/s1/a /d/s2/b /d/c.x /d/e.x && ln -s c.x /d/l
        FROM busybox
        COPY --from=one /d/*.x /x/
        COPY --from=one /d/s? /y/
        COPY --from=one /d/s*/* /z/
        COPY --from=one /d/l /l
        COPY --from=one d/. ./w
        """
    ),
    "files of a directory over links": case(
        "FROM busybox\nRUN mkdir /t && ln -s /nowhere /t/f && ln -s /etc/passwd /t/g\nCOPY s /t",
        {"s/f": "2", "s/g": "3"},
    ),
    "one path in several layers": case(
        """FROM busybox
        COPY f /p
        RUN rm /p && mkdir /p && touch /p/x
        COPY f /p/f
        RUN rm -r /p && ln -s /tmp /p
        COPY f /p/g
        RUN rm /p && echo end > /p
        """,
        SOURCES,
    ),
    "what was removed comes again": case(
        """FROM busybox
        COPY d /d
        RUN rm -r /d
        COPY d/sub /d/sub
        RUN rm -r /d/sub && mkdir -m 700 /d/sub
        COPY f /d/sub/f
        """,
        SOURCES,
    ),
    "hard links of a stage": case(
        """FROM busybox AS one
        RUN mkdir /d && echo 1 > /d/a && ln /d/a /d/b
        RUN ln /d/a /d/c && chmod 600 /d/b
        FROM scratch
        COPY --from=one /d /d
        COPY --from=one /d/a /d/b /e/
        """
    ),
    "devices of a stage": case(
        """FROM busybox AS one
        RUN mkdir /d && mknod /d/c c 1 5 && mknod /d/b b 7 99 && chmod 640 /d/c && chown 5:6 /d/b
        FROM busybox
        COPY --from=one /d /d
        """
    ),
    "sparse and empty files": case(
        """FROM busybox AS one
        RUN dd if=/dev/zero of=/s bs=1 count=0 seek=5000000 2>/dev/null && echo end >> /s && : > /e
        FROM busybox
        COPY --from=one /s /e /x/
        """
    ),
    "ADD of directories, files and links": case(
        "FROM busybox\nADD d f /x/\nADD to-d /y\nADD to-f /z\nADD private/* /w/", SOURCES
    ),
    "ADD of an archive to a place that is there": case(
        """FROM busybox
        RUN mkdir -m 711 /x && echo keep > /x/keep
        ADD a.tar /x
        ADD a.tar .
        WORKDIR /w
        ADD a.tar .
        ADD a.tar s/
        """,
        {"a.tar": tar({"in/": directory(0o750), "in/f": "1", "x/y": "2"})},
    ),
    "ADD of an archive with links out": case(
        "FROM busybox\nRUN mkdir /x\nADD a.tar /x",
        {"a.tar": tar({"l": symlink("/etc"), "m": symlink("../.."), "n": symlink("l/passwd")})},
    ),
    "a directory that hands its group down": case(
        """FROM busybox
        RUN mkdir /x && chgrp 7 /x && chmod 2775 /x
        COPY f d /x/
        COPY f /x/new/dir/
        COPY --chown=5 f /x/own/
        RUN echo 1 > /x/run; mkdir /x/dir
        WORKDIR /x/work
        """,
        SOURCES,
    ),
}
