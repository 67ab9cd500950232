"""Builds whose config and history matter: every instruction that makes no file, in every form."""

from tests.buildkit import Case, case

CASES: dict[str, Case] = {
    "ENV in both forms": case(
        """FROM busybox
        ENV X=1 Y="a b"   Z=c\\ d
        ENV OLD some old   value
        ENV Q="it's" R='say "hi"' S=$X-${Y} T= U='$X' V=\\$X
        ENV WITH=a=b=c "QUOTED"=name
        """
    ),
    "ENV changes a value in its place": case(
        """FROM busybox
        ENV A=1 B=2 C=3
        ENV B=two PATH=/opt:$PATH
        ENV A=one D=$A
        """
    ),
    "one line of ENV sees what was before it": case(
        """FROM busybox
        ENV abc=hello
        ENV abc=bye def=$abc
        ENV ghi=$abc
        """
    ),
    "LABEL in both forms": case(
        """FROM busybox
        LABEL z=last a=b c="d e" "f g"=h com.example/x.y-z='1'
        LABEL old value here
        LABEL a=again multi="line one \\
        line two"
        LABEL empty=
        """
    ),
    "labels of the command line": case("FROM busybox\nLABEL a=1 b=2", {}, "--label", "b=3", "--label", "c"),
    "EXPOSE": case(
        """FROM busybox
        EXPOSE 80
        EXPOSE 81/udp 90-92 53/UDP 80/tcp
        ENV P=8080
        EXPOSE $P 7000-7001/${NONE:-udp}
        EXPOSE 9/sctp
        """
    ),
    "EXPOSE with a port of the host": case("FROM busybox\nEXPOSE 8080:80 127.0.0.1:1:2/udp"),
    "VOLUME of a broken list": case('FROM busybox\nVOLUME ["/a", /b'),
    "ONBUILD ARG": case(
        "FROM busybox AS one\nONBUILD ARG A=1\nONBUILD RUN echo $A > /a\nFROM one\nENV B=$A",
        {},
        "--build-arg",
        "A=2",
    ),
    "VOLUME": case(
        """FROM busybox
        VOLUME /v
        VOLUME /a /b
        ENV D=/data
        VOLUME ["/c", "/d e"]
        VOLUME $D/x /y,z
        """
    ),
    "USER": case(
        """FROM busybox
        USER 5
        USER nobody
        USER 5:6
        ENV U=nobody
        USER $U:${G:-nogroup}
        """
    ),
    "WORKDIR": case(
        """FROM busybox
        WORKDIR a
        WORKDIR b/../c
        WORKDIR /
        ENV D=deep
        WORKDIR /x/$D
        WORKDIR "with blank"
        RUN pwd > pwd
        """
    ),
    "WORKDIR with a slash at its end": case("FROM busybox\nWORKDIR /x/y/"),
    "WORKDIR of a directory that is there": case(
        """FROM busybox
        WORKDIR /tmp
        WORKDIR /usr/bin
        WORKDIR /usr/bin
        """
    ),
    "WORKDIR through a link": case(
        """FROM busybox
        RUN mkdir /real && ln -s real /link && ln -s /nowhere /dangling
        WORKDIR /link/sub
        WORKDIR /dangling/sub
        RUN touch here
        """
    ),
    "WORKDIR belongs to the user": case(
        """FROM busybox
        USER 5:6
        WORKDIR /a/b
        USER nobody
        WORKDIR c
        USER 7
        WORKDIR /a7
        USER 0
        WORKDIR /a/b/c
        WORKDIR /root/of/root
        """
    ),
    "WORKDIR of a user who is not there": case(
        "FROM busybox\nUSER nosuch:nobody\nWORKDIR /x\nUSER 5:nosuch\nWORKDIR y"
    ),
    "CMD": case(
        """FROM busybox
        CMD echo  y
        CMD ["a", "b c", "d\\"e"]
        CMD [ "spaced" , "list" ]
        """
    ),
    "CMD that looks like a list": case("""FROM busybox\nCMD ["a", b]"""),
    "CMD with single quotes": case("""FROM busybox\nCMD ['a', 'b']"""),
    "CMD of nothing": case("FROM busybox\nCMD []"),
    "CMD without words": case("FROM busybox\nENTRYPOINT\nCMD"),
    "CMD is not expanded": case('FROM busybox\nENV A=1\nCMD echo $A ${A:-b}\nENTRYPOINT ["echo", "$A"]'),
    "ENTRYPOINT": case(
        """FROM busybox
        ENTRYPOINT echo x
        ENTRYPOINT ["echo", "x y"]
        """
    ),
    "ENTRYPOINT takes an inherited CMD away": case('FROM busybox\nENTRYPOINT ["x"]'),
    "ENTRYPOINT leaves a CMD of its own stage": case(
        """FROM busybox
        CMD ["y"]
        ENTRYPOINT ["x"]
        """
    ),
    "ENTRYPOINT takes the CMD of the stage before away": case(
        """FROM busybox AS one
        CMD ["y"]
        FROM one
        ENTRYPOINT ["x"]
        """
    ),
    "ENTRYPOINT of nothing": case('FROM busybox\nENTRYPOINT []\nCMD ["y"]'),
    "STOPSIGNAL": case(
        """FROM busybox
        STOPSIGNAL SIGTERM
        STOPSIGNAL 9
        ENV S=INT
        STOPSIGNAL ${S}
        """
    ),
    "STOPSIGNAL of real time": case("FROM busybox\nSTOPSIGNAL SIGRTMIN+3"),
    "HEALTHCHECK": case(
        "FROM busybox\n"
        "HEALTHCHECK --interval=5s --timeout=1m30s --start-period=2h --retries=3 CMD curl -f http://x/ || exit 1"
    ),
    "HEALTHCHECK that changes": case(
        """FROM busybox
        HEALTHCHECK --interval=1m --retries=35 CMD true
        HEALTHCHECK --timeout=100ms CMD ["true", "x y"]
        """
    ),
    "HEALTHCHECK NONE": case("FROM busybox\nHEALTHCHECK CMD true\nHEALTHCHECK NONE"),
    "HEALTHCHECK is inherited": case(
        "FROM busybox AS a\nHEALTHCHECK --interval=3s CMD true\nFROM a\nENV B=1"
    ),
    "SHELL": case(
        """FROM busybox
        SHELL ["/bin/sh", "-e", "-c"]
        RUN echo $- > /flags
        CMD echo cmd
        ENTRYPOINT echo entry
        SHELL ["/bin/sh", "-c"]
        RUN echo $- > /flags2
        HEALTHCHECK CMD echo check
        """
    ),
    "SHELL is inherited": case(
        """FROM busybox AS a
        SHELL ["/bin/sh", "-u", "-c"]
        FROM a
        CMD x
        RUN echo $- > /flags
        """
    ),
    "MAINTAINER": case("FROM busybox\nMAINTAINER Jane Doe <jane@example.org>\nLABEL a=b"),
    "ONBUILD is kept": case(
        """FROM busybox
        ENV A=1
        ONBUILD RUN echo $A   two
        ONBUILD COPY --chown=1 f  /f
        onbuild env A=$A
        """
    ),
    "ONBUILD runs in the next stage": case(
        """FROM busybox AS one
        ENV A=1
        ONBUILD RUN echo $A > /ran
        ONBUILD ENV B=$A
        ONBUILD COPY f /copied
        FROM one AS two
        ENV C=3
        FROM two
        ENV D=4
        """,
        {"f": "hello"},
    ),
    "ONBUILD of an image": case(
        """FROM parent-with-triggers
        ENV AFTER=$B
        """,
        {"f": "hello"},
        bases={
            "parent-with-triggers": """FROM busybox
            ONBUILD ENV B=set
            ONBUILD WORKDIR /made
            ONBUILD ADD f .
            ONBUILD USER 5
            CMD ["mine"]
            """
        },
    ),
    "all that an image hands down": case(
        """FROM parent-with-everything
        RUN pwd > /tmp/pwd; id -u >> /tmp/pwd; echo $A >> /tmp/pwd
        LABEL mine=too
        EXPOSE 81
        VOLUME /more
        """,
        bases={
            "parent-with-everything": """FROM busybox
            MAINTAINER Somebody
            ENV A=1 B=two
            LABEL theirs=yes
            EXPOSE 80
            VOLUME /vol
            WORKDIR /work
            USER 5:6
            STOPSIGNAL INT
            SHELL ["/bin/sh", "-e", "-c"]
            HEALTHCHECK --retries=2 CMD true
            ENTRYPOINT ["e"]
            CMD ["c"]
            """
        },
    ),
    "scratch": case("FROM scratch\nCOPY f /f", {"f": "hello"}),
    "scratch with a config only": case('FROM scratch\nLABEL a=b\nCMD ["/x"]'),
    "scratch and directories": case(
        """FROM scratch
        ENV A=b
        WORKDIR x
        WORKDIR y
        COPY f .
        USER 3
        WORKDIR /three
        """,
        {"f": "hello"},
    ),
    "nothing but FROM": case("FROM busybox"),
    "an image without layers as base": case(
        "FROM parent-without-layers\nCOPY f /f",
        {"f": "hello"},
        bases={"parent-without-layers": "FROM scratch\nENV A=1"},
    ),
    "instructions in small letters": case(
        """from busybox as Base
        env A=1
        run echo 1 > /f
        FROM base
        Copy --from=BASE /f /g
        cmd ["x"]
        """
    ),
    "comments and continued lines": case(
        """# first
        FROM busybox
            # indented comment
        RUN echo one && \\
            # a comment inside
            echo two  >  /two   \\
          && echo \\
        three
        ENV A=1 \\

            B=2 \\
            # another
            C="3 \\
        4"
        LABEL a="# no comment" \\
              b=c
        """
    ),
    "another escape character": case(
        """# escape=`
        FROM busybox
        ENV A=C:\\dir B=`$A
        RUN echo one `
            two > /out
        """
    ),
    "windows line ends and a byte order mark": case(
        "", {"Dockerfile": b"\xef\xbb\xbfFROM busybox\r\nENV A=1 \\\r\n  B=2\r\nRUN echo hi > /hi\r\n"}
    ),
    "escaped quotes and blanks": case(
        """FROM busybox
        ENV A="a \\"b\\" c" B='d \\' C=e\\"f
        LABEL "a \\"b"="c" d="\\\\"
        ENV TAB="a\tb"
        """
    ),
    "blanks behind an escape": case("FROM busybox\nRUN echo one \\  \n  two > /f\nENV A=1 \\\t\n B=2\n"),
    "an escape at the end of the file": case("FROM busybox\nRUN echo one > /f \\\n"),
    "words joined by an escape": case("FROM busybox\nENV A=one\\\ntwo B=3\nRUN ec\\\nho x > /f"),
    "tabs between words": case('FROM\tbusybox\n\tENV\tA=1\tB=2\nEXPOSE\t80\t81\nVOLUME\t/a\t/b\nCMD\t["a"]'),
    "lists of every kind": case(
        r"""FROM busybox
        CMD ["\u0041", "a\tb", "", "\\"]
        ENTRYPOINT [ ]
        VOLUME [ "/x" ]
        SHELL ["/bin/sh" , "-c"]
        """
    ),
    "a list over several lines": case(
        'FROM busybox\nCMD ["a", \\\n  "b", \\\n# comment\n  "c"]\nLABEL x="1" \\\n\n y=2'
    ),
    "LABEL that looks odd": case(
        """FROM busybox
        LABEL a b=c
        LABEL "x"='y' z=
        LABEL a.b/c-d=$HOME e='$HOME'
        """
    ),
    "ENV that looks odd": case(
        """FROM busybox
        ENV a b=c
        ENV x   y
        ENV q 'single' "double"
        ENV e a\\ b
        ENV h $PATH:$a
        """
    ),
    "directives in capitals": case("# ESCAPE = `\n# escape is set above\nFROM busybox\nENV A=a\\b B=c` \n"),
    "directives after a comment": case("# a comment\n# escape=`\nFROM busybox\nENV A=a\\\\b\n"),
    "directives after one nobody knows": case("# nobody=knows\n# escape=`\nFROM busybox\nENV A=a\\\\b\n"),
    "HEALTHCHECK over lines": case(
        """FROM busybox
        HEALTHCHECK --interval=5m \\
          --timeout=3s \\
          CMD curl -f http://localhost/ \\
            || exit 1
        """
    ),
    "HEALTHCHECK in small letters": case(
        "FROM busybox\nhealthcheck none\nFROM busybox\nHealthcheck cmd true"
    ),
    "STOPSIGNAL in small letters": case("FROM busybox\nSTOPSIGNAL sigterm\nSTOPSIGNAL kill\nSTOPSIGNAL 64"),
    "ONBUILD of many kinds": case(
        """FROM busybox
        ONBUILD HEALTHCHECK NONE
        onbuild user  5
        ONBUILD   CMD ["a"]
        ONBUILD LABEL x="a b"
        """
    ),
    "MAINTAINER with quotes": case('FROM busybox\nMAINTAINER "Jane  Doe" <j@x>'),
    "EXPOSE several": case("FROM busybox\nEXPOSE 443 80 80/tcp 1000-1002/udp\nEXPOSE $NOTHING"),
    "USER and WORKDIR of nothing": case(
        """FROM busybox
        USER 5
        USER $NOTHING
        WORKDIR /a
        WORKDIR $NOTHING
        RUN pwd > /tmp/p; id -u >> /tmp/p
        """
    ),
    "--platform of this machine": case(
        "FROM --platform=linux/amd64 busybox AS a\nFROM --platform=linux/amd64 a\nENV A=1"
    ),
    "an image with an empty PATH": case(
        "FROM parent-without-path\nENV B=1", bases={"parent-without-path": "FROM scratch\nENV PATH="}
    ),
}
