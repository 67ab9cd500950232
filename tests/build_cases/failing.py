"""Builds that must fail: both with exit code 1, and for the same reason."""

from tests.buildkit import Case, case, symlink

CASES: dict[str, Case] = {
    "an empty Dockerfile": case("", {"Dockerfile": ""}, fails="Dockerfile cannot be empty"),
    "a Dockerfile of comments": case("# nothing\n# at all\n", fails="file with no instructions"),
    "no FROM": case("RUN true", fails="no build stage in current context"),
    "unknown instruction": case("FROM busybox\nFOO bar", fails="unknown instruction: FOO"),
    "FROM with two words": case("FROM busybox as", fails="FROM requires either one or three arguments"),
    "a bad name of a stage": case("FROM busybox AS 1x", fails='invalid name for build stage: "1x"'),
    "COPY with one word": case(
        "FROM busybox\nCOPY f", {"f": ""}, fails="COPY requires at least two arguments"
    ),
    "COPY of what is not there": case(
        "FROM busybox\nCOPY nosuch /x", fails='"/nosuch" not found', ours='"/nosuch": not found'
    ),
    "COPY of what is ignored": case(
        "FROM busybox\nCOPY f /x",
        {"f": "", ".dockerignore": "f\n"},
        fails='"/f" not found',
        ours='"/f": not found',
    ),
    "COPY of a directory over a file": case(
        "FROM busybox\nCOPY d /etc/passwd", {"d/f": ""}, fails="cannot copy to non-directory"
    ),
    "a wildcard that finds a link to nowhere": case(
        "FROM busybox\nCOPY d/* /x/",
        {"d/f": "", "d/l": symlink("nowhere")},
        fails='"/d/nowhere" not found',
        ours='"/d/l": not found',
    ),
    "COPY of a file over a directory": case(
        "FROM busybox\nRUN mkdir -p /x/sub\nCOPY d /x", {"d/sub": "file"}, fails="cannot replace to directory"
    ),
    "COPY from a stage that is not there": case(
        "FROM busybox\nCOPY --from=5 /f /x", fails="invalid stage index 5"
    ),
    "COPY from itself": case(
        "FROM busybox AS a\nCOPY --from=a /x /y", fails="circular dependency detected on stage: a"
    ),
    "COPY of a URL": case(
        "FROM busybox\nCOPY http://example.org/f /f", fails="source can't be a URL for COPY"
    ),
    "unknown flag": case(
        "FROM busybox\nCOPY --nosuch f /x",
        {"f": ""},
        fails="unknown flag: nosuch",
        ours="unknown flag: --nosuch",
    ),
    "ENV without a value": case("FROM busybox\nENV A", fails="ENV must have two arguments"),
    "ENV without a name": case("FROM busybox\nENV =x", fails="names can not be blank"),
    "ENV with a word too many": case("FROM busybox\nENV A=1 B", fails='can\'t find = in "B"'),
    "ARG without a name": case("FROM busybox\nARG", fails="ARG requires at least one argument"),
    "RUN that fails": case("FROM busybox\nRUN echo out; echo err >&2; exit 7", fails="exit code: 7"),
    "RUN of no program": case('FROM busybox\nRUN ["/nosuch"]', fails="/nosuch"),
    "a list of RUN that is not there in PATH": case(
        'FROM busybox\nRUN ["nosuch-program"]', fails="nosuch-program"
    ),
    "USER that is not there": case(
        "FROM busybox\nUSER nosuch\nRUN true",
        fails="unable to find user nosuch: no matching entries in passwd file",
    ),
    "EXPOSE of no port": case("FROM busybox\nEXPOSE x", fails="invalid containerPort: x"),
    "EXPOSE of no protocol": case("FROM busybox\nEXPOSE 80/nope", fails="invalid proto: nope"),
    "STOPSIGNAL of no signal": case("FROM busybox\nSTOPSIGNAL NOPE", fails="invalid signal: NOPE"),
    "HEALTHCHECK of no duration": case(
        "FROM busybox\nHEALTHCHECK --interval=1x CMD true",
        fails='unknown unit "x" in duration "1x"',
        ours='invalid duration "1x"',
    ),
    "HEALTHCHECK that is too fast": case(
        "FROM busybox\nHEALTHCHECK --interval=1us CMD true", fails="cannot be less than 1ms"
    ),
    "HEALTHCHECK of no kind": case(
        "FROM busybox\nHEALTHCHECK FOO", fails='unknown type "FOO" in HEALTHCHECK'
    ),
    "SHELL that is no list": case(
        "FROM busybox\nSHELL /bin/sh", fails="SHELL requires the arguments to be in JSON form"
    ),
    "ONBUILD FROM": case("FROM busybox\nONBUILD FROM x", fails="FROM isn't allowed as an ONBUILD trigger"),
    "ONBUILD ONBUILD": case(
        "FROM busybox\nONBUILD ONBUILD RUN x", fails="Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    ),
    "WORKDIR without a directory": case(
        "FROM busybox\nWORKDIR", fails="WORKDIR requires exactly one argument"
    ),
    "VOLUME of no words": case("FROM busybox\nVOLUME []", fails="VOLUME requires at least one argument"),
    "VOLUME of nothing": case(
        'FROM busybox\nVOLUME [""]', fails="VOLUME specified can not be an empty string"
    ),
    "a word that does not end": case("FROM busybox\nENV A=${B", fails="in substitution", ours="missing '}'"),
    "a modifier nobody knows": case(
        "FROM busybox\nENV A=${B:=x}",
        fails="unsupported modifier (=) in substitution",
        ours="unsupported modifier (:=) in substitution",
    ),
    "a mount of no kind": case(
        "FROM busybox\nRUN --mount=type=nope,target=/x true", fails='unsupported mount type "nope"'
    ),
    "a mount without a target": case(
        "FROM busybox\nRUN --mount=type=cache true", fails="invalid mount target"
    ),
    "a mount with a key nobody knows": case(
        "FROM busybox\nRUN --mount=type=cache,target=/x,nope=1 true", fails="unexpected key 'nope'"
    ),
    "a secret that has to be there": case(
        "FROM busybox\nRUN --mount=type=secret,id=x,required true", fails="secret x"
    ),
    "a target that is not there": case("FROM busybox", {}, "--target", "nosuch", fails="could not be found"),
    "a bad name of an image": case("FROM busyBOX", fails="must be lowercase", ours="must be lower case"),
    "FROM a stage in other letters": case(
        "FROM busybox AS Base\nFROM bAsE", fails="must be lowercase", ours="must be lower case"
    ),
    "COPY with quotes around blanks": case(
        'FROM busybox\nCOPY "with blank" /x', {"with blank": ""}, fails="looking for matching double-quote"
    ),
    "FROM of an empty word": case("ARG X\nFROM $X", fails="base name ($X) should not be blank"),
    "FROM of another stage's ARG": case(
        "FROM busybox\nARG Y=busybox\nFROM ${Y}", fails="base name (${Y}) should not be blank"
    ),
    "a bad escape": case("# escape=x\nFROM busybox", fails="invalid escape token 'x'"),
    "a platform nobody knows": case(
        "FROM --platform=nope busybox", fails="failed to parse platform nope", ours="invalid platform 'nope'"
    ),
    "a Dockerfile that is not there": case("", {"f": ""}, "-f", "nosuch", fails="no such file or directory"),
    "a context that is not there": case("", {"f": ""}, context="nosuch", fails="nosuch"),
    "RUN that is killed": case("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?", fails="exit code: 137"),
    "LABEL without a name": case("FROM busybox\nLABEL =x", fails="names can not be blank"),
    "LABEL with a comment": case("FROM busybox\nLABEL a=b #c", fails='can\'t find = in "#c"'),
    "ARG of an empty name": case("FROM busybox\nARG =x", fails="names can not be blank"),
    "a list with a number": case(
        'FROM busybox\nCMD ["a", 1]', fails="arrays must be comprised of strings only"
    ),
    "VOLUME with quotes around blanks": case(
        'FROM busybox\nVOLUME "/a b"', fails="looking for matching double-quote"
    ),
    "a comment behind FROM": case("FROM busybox # c", fails="FROM requires either one or three arguments"),
    "a directive twice": case(
        "# escape=`\n# escape=`\nFROM busybox", fails="only one escape parser directive can be used"
    ),
    "VOLUME of the empty variable": case(
        "FROM busybox\nVOLUME $NOTHING", fails="VOLUME specified can not be an empty string"
    ),
    "COPY below a file": case("FROM busybox\nCOPY f /etc/passwd/x", {"f": ""}, fails="not a directory"),
    "an ignore file with a bad pattern": case(
        "FROM busybox\nCOPY . /x", {".dockerignore": "[\n", "f": ""}, fails="syntax error in pattern"
    ),
    "an ONBUILD that fails": case("FROM busybox AS a\nONBUILD RUN exit 3\nFROM a", fails="exit code: 3"),
}
