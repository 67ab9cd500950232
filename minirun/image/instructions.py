"""What the instructions of a Dockerfile that touch no file do to an image's config.

    CMD ENTRYPOINT     ["a", "b"], or a line for the shell
    ENV LABEL          NAME=value NAME2="with spaces" NAME3=with\\ spaces, or the old NAME value
    EXPOSE VOLUME      words; VOLUME also a JSON list
    USER WORKDIR STOPSIGNAL ONBUILD MAINTAINER
    SHELL              ["/bin/bash", "-c"]
    HEALTHCHECK        --interval= --timeout= --start-period= --start-interval= --retries= CMD ..., or NONE

`build` makes them one by one (`change`); import and commit make the lines of `--change` (`apply`).  Variables are put
in where Docker does: not into CMD, ENTRYPOINT, SHELL, HEALTHCHECK and ONBUILD, which are for the container.

See      docs.docker.com "Dockerfile reference"; image-spec config.md "Properties"; words.py
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from minirun.errors import UsageError
from minirun.image import words
from minirun.image.flags import Flags, leading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Config = dict[str, Any]

_SHELL = ["/bin/sh", "-c"]
_PROTOCOLS = ("tcp", "udp", "sctp")
_HEALTH_FLAGS = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), str)
NO_TRIGGERS = ("ONBUILD", "FROM", "MAINTAINER")
_BY_CHANGE = (  # those that --change takes
    *(
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "ONBUILD",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    ),
    "WORKDIR",
)


def apply(config: Config, changes: list[str]) -> Config:
    """A config with `changes` made, in their order.  Raises UsageError quoting the one that is wrong."""
    made = {key: value.copy() if isinstance(value, (dict, list)) else value for key, value in config.items()}
    given: set[str] = set()
    for line in (line.strip() for change in changes for line in change.splitlines()):
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        word = word.upper()
        if word not in _BY_CHANGE:
            raise UsageError(f"{word} is not a valid change command", f"one of {', '.join(_BY_CHANGE)}")
        try:
            flags, text = leading(rest, "\\")
            _KINDS[word](text, "\\", flags).change(_Expander(made, {}, "\\", set()))
        except UsageError as error:
            raise UsageError(f"change {line!r}: {error.message}", error.hint) from None
        given.add(word)
        if word == "ENTRYPOINT" and "CMD" not in given:
            made["Cmd"] = None  # it was meant for the entrypoint before
    return made


def change(
    config: Config,
    word: str,
    text: str,
    variables: Mapping[str, str] | None = None,
    escape: str = "\\",
    flags: Sequence[str] = (),
    *,
    unset: set[str] | None = None,
) -> None:
    """One instruction's effect on `config`, in place.

    `variables` are build arguments; the environment of the config comes over them.  Names that are neither are added
    to `unset`.  An ENTRYPOINT that resets CMD is the caller's business, who knows whether its stage has set one, and so
    is the author of MAINTAINER, who is in the image beside the config.  Raises UsageError.
    """
    instruction = _kind(word)(text, escape, flags)
    instruction.change(_Expander(config, variables or {}, escape, set() if unset is None else unset))
    if word == "CMD":
        config["ArgsEscaped"] = True  # BuildKit's mark, which means something to Windows only


def check(word: str, text: str, escape: str = "\\", flags: Sequence[str] = ()) -> None:
    """Whether the words of an instruction make sense, whatever its variables are.  Raises UsageError."""
    _kind(word)(text, escape, flags)


def pairs(word: str, text: str, escape: str = "\\") -> tuple[list[tuple[str, str]], bool]:
    """`A=1 "B b"=2`, not expanded; or the old form with one name and the rest of the line, and then True."""
    found = words.split(text, escape)
    if not found:
        raise UsageError(f"{word} requires at least one argument", "as in NAME=value")
    if "=" not in found[0]:
        name, *rest = words.gaps(text, 1)
        if not rest:
            raise UsageError(f"{word} must have two arguments", "as in NAME=value")
        return [(name, rest[0])], True
    made = []
    for one in found:
        name, equals, value = one.partition("=")
        if not equals:
            raise UsageError(
                f"Syntax error - can't find = in {words.quoted(one)}. Must be of the form: name=value",
                'as in NAME="value with spaces"',
            )
        if not name:
            raise UsageError(f"{word} names can not be blank")
        made.append((name, value))
    return made, False


def with_shell(config: Config, command: str) -> list[str]:
    """The shell form of a command as it is executed."""
    return [*(config.get("Shell") or _SHELL), command]


class _Expander:
    """Puts variables into words: the config's environment over the build's arguments."""

    def __init__(self, config: Config, variables: Mapping[str, str], escape: str, unset: set[str]) -> None:
        self.config = config
        self.variables = {**variables, **environment(config)}
        self.escape = escape
        self.unset = unset

    def word(self, word: str) -> str:
        return words.expand(word, self.variables, self.escape, self.unset)

    def words(self, text: str) -> list[str]:
        return words.expand_to_words(text, self.variables, self.escape, self.unset)


def environment(config: Config) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or [])


# ---- the instructions -------------------------------------------------------------------------------------


class _Instruction:
    """Its words are looked at when it is made, its variables when it changes a config."""

    def __init__(self, text: str, escape: str, flags: Sequence[str]) -> None:
        self.text = text
        self.read(text, escape, flags)

    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        Flags(flags, {})

    def change(self, expander: _Expander) -> None:
        raise NotImplementedError


class _Single(_Instruction):
    """One argument, the rest of the line."""

    name = ""

    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        if not text:
            raise UsageError(f"{self.name} requires exactly one argument")
        super().read(text, escape, flags)


class _Command(_Instruction):
    key = "Cmd"

    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        self.listed = words.json_list(text)

    def change(self, expander: _Expander) -> None:
        config = expander.config
        config[self.key] = with_shell(config, self.text) if self.listed is None else self.listed


class _Entrypoint(_Command):
    key = "Entrypoint"


class _Env(_Instruction):
    name = "ENV"

    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        self.pairs, _ = pairs(self.name, text, escape)

    def change(self, expander: _Expander) -> None:
        made = [(expander.word(name), expander.word(value)) for name, value in self.pairs]
        self.keep(expander.config, made)

    def keep(self, config: Config, made: list[tuple[str, str]]) -> None:
        config["Env"] = [f"{name}={value}" for name, value in {**environment(config), **dict(made)}.items()]


class _Label(_Env):
    name = "LABEL"

    def keep(self, config: Config, made: list[tuple[str, str]]) -> None:
        config["Labels"] = {**(config.get("Labels") or {}), **dict(made)}


class _Expose(_Instruction):
    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        if not text:
            raise UsageError("EXPOSE requires at least one argument")

    def change(self, expander: _Expander) -> None:
        given = [word for text in sorted(words.gaps(self.text)) for word in expander.words(text)]
        found = [port for word in given for port in ports(word)]
        exposed = {**(expander.config.get("ExposedPorts") or {}), **{port: {} for port in found}}
        expander.config["ExposedPorts"] = dict(sorted(exposed.items()))


class _Volume(_Instruction):
    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        listed = words.json_list(text)
        if not text or listed == []:
            raise UsageError("VOLUME requires at least one argument")
        self.paths = [path.strip(words.SPACE) for path in (words.gaps(text) if listed is None else listed)]
        self.refuse_empty(self.paths)

    def refuse_empty(self, paths: list[str]) -> None:
        if "" in paths:
            raise UsageError("VOLUME specified can not be an empty string")

    def change(self, expander: _Expander) -> None:
        paths = [expander.word(path) for path in self.paths]
        self.refuse_empty(paths)
        expander.config["Volumes"] = {
            **(expander.config.get("Volumes") or {}),
            **{path: {} for path in paths},
        }


class _User(_Single):
    name = "USER"

    def change(self, expander: _Expander) -> None:
        expander.config["User"] = expander.word(self.text)


class _Workdir(_Single):
    """A relative one begins at the one before."""

    name = "WORKDIR"

    def change(self, expander: _Expander) -> None:
        path = posixpath.join("/", expander.config.get("WorkingDir") or "/", expander.word(self.text))
        expander.config["WorkingDir"] = posixpath.normpath("/" + path.lstrip("/"))


class _StopSignal(_Single):
    name = "STOPSIGNAL"

    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, ())  # Docker overlooks its flags, too

    def change(self, expander: _Expander) -> None:
        from minirun.linux import signals

        name = expander.word(self.text)
        if not signals.named(name):
            raise UsageError(f"invalid signal: {name}", "as in SIGINT, 2 or SIGRTMIN+3")
        expander.config["StopSignal"] = name


class _OnBuild(_Instruction):
    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        if not text:
            raise UsageError("ONBUILD requires at least one argument")
        trigger = words.gaps(text, 1)[0].upper()
        if trigger == "ONBUILD":
            raise UsageError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        if trigger in NO_TRIGGERS:
            raise UsageError(f"{trigger} isn't allowed as an ONBUILD trigger")

    def change(self, expander: _Expander) -> None:
        expander.config["OnBuild"] = [*(expander.config.get("OnBuild") or []), self.text]


class _Maintainer(_Single):
    name = "MAINTAINER"

    def change(self, expander: _Expander) -> None:
        pass


class _Shell(_Instruction):
    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        super().read(text, escape, flags)
        listed = words.json_list(text)
        if not text or listed == []:
            raise UsageError("SHELL requires at least one argument")
        if listed is None:
            raise UsageError(
                f"SHELL requires the arguments to be in JSON form: {text}", 'as in ["/bin/bash", "-c"]'
            )
        self.listed = listed

    def change(self, expander: _Expander) -> None:
        expander.config["Shell"] = self.listed


class _HealthCheck(_Instruction):
    def read(self, text: str, escape: str, flags: Sequence[str]) -> None:
        if not text:
            raise UsageError("HEALTHCHECK requires at least one argument", "CMD and a command, or NONE")
        kind, *rest = words.parts(text, 1)
        command = rest[0] if rest else ""
        if kind.upper() == "NONE":
            if command:
                raise UsageError("HEALTHCHECK NONE takes no arguments")
            self.health: dict[str, Any] = {"Test": ["NONE"]}
            return
        given = Flags(flags, _HEALTH_FLAGS)
        if kind.upper() != "CMD":
            raise UsageError(f"Unknown type {words.quoted(kind.upper())} in HEALTHCHECK (try CMD)")
        listed = words.json_list(command)
        if not command or listed == []:
            raise UsageError("Missing command after HEALTHCHECK CMD")
        times = {
            "Interval": given.interval("interval"),
            "Timeout": given.interval("timeout"),
            "StartPeriod": given.interval("start-period"),
            "StartInterval": given.interval("start-interval"),
            "Retries": _retries(given.text("retries")),
        }
        test = ["CMD-SHELL", command] if listed is None else ["CMD", *listed]
        self.health = {"Test": test, **{key: value for key, value in times.items() if value}}

    def change(self, expander: _Expander) -> None:
        expander.config["Healthcheck"] = self.health


def _retries(text: str) -> int:
    try:
        retries = int(text or "0") if text.isascii() and "_" not in text and " " not in text else None
    except ValueError:
        retries = None
    if retries is None or abs(retries) >= 1 << 31:
        raise UsageError(f"invalid number of retries {words.quoted(text)}")
    if retries < 0:
        raise UsageError(f"--retries cannot be negative ({retries})")
    return retries


def ports(text: str) -> list[str]:
    """`8000-8001/udp` -> 8000/udp, 8001/udp.  Address and port of the host before it are checked and left out."""
    *host, port = text.rsplit(":", 2)
    port, _, protocol = port.partition("/")
    protocol = protocol.lower() or "tcp"
    if not port:
        raise UsageError(f"invalid port: {words.quoted(text)}: no port specified")
    if protocol not in _PROTOCOLS:
        raise UsageError(
            f"invalid port: {words.quoted(text)}: invalid proto: {protocol}",
            f"one of {', '.join(_PROTOCOLS)}",
        )
    if len(host) == 2 and host[0]:
        _check_address(host[0])
    first, last = _port_range(port, "containerPort")
    if host and host[-1]:
        first_host, last_host = _port_range(host[-1], "hostPort")
        if last != first and last - first != last_host - first_host:
            raise UsageError(f"invalid ranges specified for container and host Ports: {port} and {host[-1]}")
    return [f"{number}/{protocol}" for number in range(first, last + 1)]


def _check_address(text: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise UsageError(f"invalid IP address: {text}") from None


def _port_range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = [first, last if dash else first]
    if not all(number.isascii() and number.isdecimal() and len(number) < 20 for number in numbers):
        raise UsageError(f"invalid {what}: {text}", "as in 80, 53/udp or 8000-8010")
    begin, end = map(int, numbers)
    if not begin <= end <= 65535:
        raise UsageError(f"invalid {what}: {text}", "as in 80, 53/udp or 8000-8010")
    return begin, end


_KINDS: dict[str, type[_Instruction]] = {
    "CMD": _Command,
    "ENTRYPOINT": _Entrypoint,
    "ENV": _Env,
    "EXPOSE": _Expose,
    "HEALTHCHECK": _HealthCheck,
    "LABEL": _Label,
    "MAINTAINER": _Maintainer,
    "ONBUILD": _OnBuild,
    "SHELL": _Shell,
    "STOPSIGNAL": _StopSignal,
    "USER": _User,
    "VOLUME": _Volume,
    "WORKDIR": _Workdir,
}
WORDS = tuple(_KINDS)


def _kind(word: str) -> type[_Instruction]:
    if word not in _KINDS:
        raise UsageError(f"{word} is no instruction that changes an image's config")
    return _KINDS[word]
