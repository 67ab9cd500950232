"""Builds with ARG, ENV and words in which they are named."""

from tests.buildkit import Case, case

CASES: dict[str, Case] = {
    "ARG of the command line and default": case(
        """FROM busybox
        ARG A=1
        ARG B=two
        ARG C
        ARG D="x y" E=3 F
        RUN env | grep -v ^PWD | sort > /env
        ENV A=$A B=${B} C="$C" D=$D
        """,
        {},
        "--build-arg",
        "B=given",
        "--build-arg",
        "F=five",
    ),
    "ARG before FROM": case(
        """ARG NAME=busy
        ARG SUFFIX=box
        ARG WHOLE=${NAME}$SUFFIX
        FROM ${WHOLE} AS one
        RUN echo "<$NAME>" > /not-seen
        ARG NAME
        ARG SUFFIX=changed
        RUN echo "<$NAME$SUFFIX>" > /seen
        """
    ),
    "ARG before FROM from the command line": case(
        "ARG NAME=nosuch\nFROM $NAME\nARG NAME\nENV N=$NAME", {}, "--build-arg", "NAME=busybox"
    ),
    "ARG belongs to its stage": case(
        """FROM busybox AS one
        ARG A=1
        RUN echo "<$A>" > /one
        FROM busybox
        COPY --from=one /one /one
        RUN echo "<$A>" > /two
        """
    ),
    "ARG counts from its line on": case(
        """FROM busybox
        ENV BEFORE=$A
        ARG A=1
        ENV AFTER=$A
        """
    ),
    "ENV comes over ARG": case(
        """FROM busybox
        ARG A=arg
        ENV A=env
        RUN echo $A > /a
        LABEL a=$A
        """,
        {},
        "--build-arg",
        "A=given",
    ),
    "ENV of the base and ARG of its name": case(
        """FROM busybox AS base
        ENV A=env
        FROM base
        ARG A=arg
        RUN echo $A > /a
        ENV B=$A
        """
    ),
    "ARG that names others": case(
        """FROM busybox
        ENV E=env
        ARG A=$E-a
        ARG B=${A}-b
        RUN echo $B > /b
        ENV C=$B
        """
    ),
    "ARG nobody gave": case(
        """FROM busybox
        ARG A
        RUN env | grep -c "^A=" > /count; echo "${A-unset}" > /a
        ENV B=${A:-none}
        """
    ),
    "ARG that is declared twice": case("FROM busybox\nARG A=1\nARG A=2\nRUN echo $A > /a"),
    "ARG of the stage before": case('FROM busybox AS one\nARG A=1\nFROM one\nRUN echo "<$A>" > /a'),
    "ARG that is given and not declared": case(
        'FROM busybox\nRUN echo "<$A>" > /a', {}, "--build-arg", "A=1"
    ),
    "proxies need no ARG": case(
        """FROM busybox
        RUN echo $HTTP_PROXY $http_proxy $NO_PROXY > /proxies
        ENV A=$HTTP_PROXY
        """,
        {},
        "--build-arg",
        "HTTP_PROXY=http://proxy.example",
        "--build-arg",
        "no_proxy=localhost",
    ),
    "platform ARGs": case(
        """FROM --platform=$BUILDPLATFORM busybox
        RUN echo "<$TARGETARCH>" > /unset
        ARG TARGETPLATFORM
        ARG TARGETOS TARGETARCH
        ARG TARGETVARIANT
        ARG BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT
        RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT" > /target
        RUN echo "$BUILDPLATFORM $BUILDOS $BUILDARCH $BUILDVARIANT" > /build
        """
    ),
    "variables in every instruction": case(
        """FROM busybox
        ENV F=f D=/dir N=5 P=80 S=INT L=label W=work
        COPY ${F} ${D}/
        COPY --chown=$N:${N} $F $D/owned
        ADD $F ${D}/added
        EXPOSE $P ${P}1/udp
        LABEL $L=$F x.$L=${L}
        STOPSIGNAL $S
        VOLUME $D ["$D/json"]
        WORKDIR /$W/${W}
        ENV $L=$D
        ONBUILD RUN echo $D
        USER $N
        """,
        {"f": "hello"},
    ),
    "variables in a list of COPY": case(
        'FROM busybox\nENV A=f B="with blank"\nCOPY ["$A", "/$B/"]\nVOLUME ["/v/$A"]', {"f": "hello"}
    ),
    "words with modifiers": case(
        """FROM busybox
        ENV A=a E=
        ENV M1=${A:-x} M2=${E:-x} M3=${N:-x} M4=${N:-} M5=${A:+x} M6=${E:+x} M7=${N:+x}
        ENV N1=${N:-${A}b} N2=${N:-$A/b} N3="${N:-a b}" N4=${N:-"q"} N5=x${A}y$A-z
        ENV S1='$A' S2="$A" S3=\\$A S4="\\$A" S5=$ S6=a$ S7=${A}$E${A} S8="'$A'" S9='"$A"'
        """
    ),
    "names end where they end": case(
        """FROM busybox
        ENV A=a AB=ab A1=a1 _x=y
        ENV R1=$AB R2=${A}B R3=$A.B R4=$A1 R5=$_x R6=$A-B R7=$9 R8=$A$B$C
        """
    ),
    "RUN is the shell's": case(
        """FROM busybox
        ENV A=1
        RUN A=2; echo $A "${A:-x}" '$A' \\$A > /out
        RUN ["echo", "$A"]
        RUN ["sh", "-c", "echo $A > /out2"]
        """
    ),
    "ARG with quotes and equal signs": case(
        r"""FROM busybox
        ARG A="a b" B='c d' C=e=f F=\$A
        ENV V="$A|$B|$C|$F"
        RUN echo "$V" > /v
        """
    ),
    "ARG that names one of its own line": case("FROM busybox\nARG A=a B=${A}b\nENV C=$B"),
    "ARG with an empty value": case(
        """FROM busybox
        ARG A=x
        ARG B=y
        ENV V=${A:-was-empty}${B}
        RUN echo "<$A>" > /a
        """,
        {},
        "--build-arg",
        "A=",
        "--build-arg",
        'B=a b "c"',
    ),
    "ARG with a default that is another": case(
        """ARG A=1
        ARG B=${A:-x}${C:-y}
        FROM busybox
        ARG B
        ARG D=${B:+set}
        ENV V=$B-$D
        """
    ),
    "names of variables": case("FROM busybox\nENV N=name\nENV $N=x ${N}2=y"),
    "empty words": case(
        """FROM busybox
        COPY f $NOTHING/x
        COPY f /y$NOTHING
        LABEL a=$NOTHING b="$NOTHING"
        """,
        {"f": "1"},
    ),
    "braces and dollars": case(
        r"""FROM busybox
        ENV A=a
        ENV B=${A}} C={$A} D=$${A} E=$$ F="${A}"'${A}' G="a'b" H='a"b' I=a\\b J="\a\""
        """
    ),
}
