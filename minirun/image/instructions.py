"""Changes to an image's config, in the words of a Dockerfile: `--change 'ENV LANG=C'` of import and commit.

    CMD ENTRYPOINT     ["a", "b"], or a line for the shell
    ENV LABEL          NAME=value NAME2="with spaces" NAME3=with\\ spaces, or the old NAME value
    EXPOSE VOLUME      words; VOLUME also a JSON list
    USER WORKDIR STOPSIGNAL ONBUILD

$NAME, ${NAME}, ${NAME:-word} and ${NAME:+word} stand for variables of the config's own environment; quotes and
backslashes mean what they mean to a shell.  CMD, ENTRYPOINT and ONBUILD are left as they are, for the container.

See      docs.docker.com "Dockerfile reference"; image-spec config.md "Properties"; sh(1) "Quoting"
"""

from __future__ import annotations

import json
import posixpath
import re
import signal
from typing import TYPE_CHECKING, Any

from minirun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Config = dict[str, Any]
    Change = Callable[[Config, str], None]

_SHELL = ["/bin/sh", "-c"]
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<operator>:?[-+?])(?P<word>[^}]*))?\})")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_NO_TRIGGERS = ("ONBUILD", "FROM", "MAINTAINER")


def apply(config: Config, changes: list[str]) -> Config:
    """A config with `changes` made, in their order.  Raises UsageError quoting the one that is wrong."""
    made = {key: value.copy() if isinstance(value, (dict, list)) else value for key, value in config.items()}
    given: set[str] = set()
    for line in (line.strip() for change in changes for line in change.splitlines()):
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        word = word.upper()
        if word not in _CHANGES:
            raise UsageError(f"{word} is not a valid change command", f"one of {', '.join(_CHANGES)}")
        try:
            _CHANGES[word](made, rest.strip())
        except UsageError as error:
            raise UsageError(f"change {line!r}: {error.message}", error.hint) from None
        given.add(word)
        if word == "ENTRYPOINT" and "CMD" not in given:
            made["Cmd"] = None  # it was meant for the entrypoint before
    return made


# ---- words ------------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """Split at blanks outside quotes; quotes and backslashes stay, for `expand`."""
    found: list[str] = []
    word, quote, escaped = "", "", False
    for char in text:
        if char.isspace() and not quote and not escaped:
            found += [word] if word else []
            word = ""
            continue
        word += char
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
    if quote:
        raise UsageError(f"a {quote} is not closed")
    return [*found, word] if word else found


def expand(word: str, variables: dict[str, str]) -> str:
    """What a shell would make of one word: variables put in, quotes and backslashes taken away."""
    made: list[str] = []
    quote, position = "", 0
    while position < len(word):
        char = word[position]
        variable = _VARIABLE.match(word, position) if char == "$" and quote != "'" else None
        if variable:
            made.append(_value(variable, variables))
            position = variable.end()
            continue
        position += 1
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        elif char == "\\" and _escapes(word[position : position + 1], quote):
            made.append(word[position])
            position += 1
        else:
            made.append(char)
    if quote:
        raise UsageError(f"a {quote} is not closed")
    return "".join(made)


def _escapes(following: str, quote: str) -> bool:
    """Whether a backslash before `following` is taken away."""
    return bool(following) and (not quote or (quote == '"' and following in '"$\\'))


def _value(variable: re.Match[str], variables: dict[str, str]) -> str:
    name = variable["plain"] or variable["name"]
    value = variables.get(name)
    operator, word = variable["operator"] or "", variable["word"] or ""
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return word if is_set else ""
    if operator.endswith("-"):
        return (value or "") if is_set else word
    if operator.endswith("?") and not is_set:
        raise UsageError(f"{name}: {word or 'not set'}")
    return value or ""


def _variables(config: Config) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or [])


def _expanded(config: Config, text: str) -> str:
    value = expand(text, _variables(config))
    if not value:
        raise UsageError("it needs a value")
    return value


def _pairs(config: Config, text: str) -> list[tuple[str, str]]:
    """`A=1 "B b"=2`, or the old form with one name and the rest of the line."""
    variables, found = _variables(config), words(text)
    if not found or (len(found) == 1 and "=" not in found[0]):
        raise UsageError("it needs a name and a value", "as in NAME=value")
    if "=" not in found[0]:
        rest = text.removeprefix(found[0]).strip()
        return [(expand(found[0], variables), expand(rest, variables))]
    pairs = []
    for word in found:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} has no =", 'as in NAME="value with spaces"')
        pairs.append((expand(name, variables), expand(value, variables)))
    if not all(name for name, _ in pairs):
        raise UsageError("a name is empty")
    return pairs


# ---- the instructions -------------------------------------------------------------------------------------


def _json_list(text: str) -> list[str] | None:
    """`["a", "b"]`; None for anything else, which Docker then takes for a line of shell."""
    try:
        value = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    sound = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return value if sound else None


def _command(config: Config, text: str) -> list[str]:
    listed = _json_list(text)
    if listed is not None:
        return listed
    return [*(config.get("Shell") or _SHELL), text] if text else []


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(config, text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(config, text)


def _env(config: Config, text: str) -> None:
    variables = {**_variables(config), **dict(_pairs(config, text))}
    config["Env"] = [f"{name}={value}" for name, value in variables.items()]


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(config, text))}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in words(text):
        ports.update({port: {} for port in _ports(_expanded(config, word))})
    if not text:
        raise UsageError("it needs a port")
    config["ExposedPorts"] = dict(sorted(ports.items()))


def _ports(text: str) -> list[str]:
    """`8000-8001/udp` -> 8000/udp, 8001/udp"""
    match = _PORT.fullmatch(text)
    first = int(match[1]) if match else 0
    last = int(match[2] or first) if match else 0
    if match is None or not 1 <= first <= last <= 65535:
        raise UsageError(f"{text!r} is not a port", "as in 80, 53/udp or 8000-8010")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)]


def _volume(config: Config, text: str) -> None:
    listed = _json_list(text)
    paths = [_expanded(config, word) for word in (words(text) if listed is None else listed)]
    if not paths:
        raise UsageError("it needs a path")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def _user(config: Config, text: str) -> None:
    config["User"] = _expanded(config, text)


def _workdir(config: Config, text: str) -> None:
    """A relative one begins at the one before."""
    path = posixpath.join("/", config.get("WorkingDir") or "/", _expanded(config, text))
    config["WorkingDir"] = posixpath.normpath("/" + path.lstrip("/"))


def _stop_signal(config: Config, text: str) -> None:
    name = _expanded(config, text).upper()
    known = {one.name for one in signal.Signals} | {str(int(one)) for one in signal.Signals}
    if not {name, f"SIG{name}"} & known:
        raise UsageError(f"unknown signal {name!r}", "as in SIGINT or 2")
    config["StopSignal"] = name


def _onbuild(config: Config, text: str) -> None:
    trigger = text.partition(" ")[0].upper()
    if not trigger or trigger in _NO_TRIGGERS:
        raise UsageError(f"{trigger or 'nothing'} cannot be an ONBUILD trigger")
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


_CHANGES: dict[str, Change] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
