"""Go's templates, the part of them that people give to `--format` and `inspect -f`.

    {{.Field}} {{.A.B}} {{.}} {{$}}          fields of the value at hand, that value, the outermost value
    {{json .X}} {{upper .X}} {{.X | json}}   functions (FUNCTIONS has them all), nested with ( )
    {{if eq .X "y"}}..{{else if .Z}}..{{else}}..{{end}}
    {{range .List}}{{.}}{{else}}none{{end}}  {{range $key, $value := .Map}}..{{end}}  {{with .X}}..{{end}}
    {{- .X -}}                               takes the white space beside it away

A template is read once and becomes a tree of functions: from a scope to a value, from a scope to text.

See  pkg.go.dev/text/template; docs.docker.com "Format command and log output"
"""

from __future__ import annotations

import json
import re

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    Scope = dict[str, Any]  # "." is the value at hand, "$" the outermost one, "$name" a variable
    Value = Callable[[Scope], Any]
    Part = Callable[[Scope], str]

_STRING = r"\"(?:\\.|[^\"\\])*\"|`[^`]*`"
ACTION = re.compile(rf"\{{\{{(?P<left>-\s)?(?P<inside>(?:{_STRING}|[^\"`])*?)(?P<right>\s-)?\}}\}}")
_TOKEN = re.compile(
    rf"\s*(?:(?P<text>{_STRING})|(?P<number>-?\d+(?:\.\d+)?)|(?P<path>\$\w*(?:\.\w+)*|(?:\.\w+)+|\.)"
    r"|(?P<word>\w+)|(?P<sign>:=|[()|,]))"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def parse(template: str) -> Callable[[Any], str]:
    """`template` as a function from a value to text.  Both raise UsageError quoting the part that is wrong."""
    try:
        parts, _ = _block(_pieces(template), ())
    except RecursionError:
        raise UsageError("template: it is nested too deeply") from None
    return lambda value: _render(parts, {".": value, "$": value})


def _render(parts: list[Part], scope: Scope) -> str:
    return "".join(part(scope) for part in parts)


# ---- text and actions -------------------------------------------------------------------------------------


def _pieces(template: str) -> Iterator[tuple[str, _Action | None]]:
    """The template in order: (text, None) or ("", action)."""
    at, trim = 0, False
    for match in ACTION.finditer(template):
        yield _literal(template[at : match.start()], trim, bool(match["left"])), None
        if not match["inside"].strip().startswith("/*"):
            yield "", _Action(match[0], match["inside"])
        at, trim = match.end(), bool(match["right"])
    if "{{" in template[at:]:
        raise UsageError(f'template: "{template[at:]}" has {{{{ without }}}}')
    yield _literal(template[at:], trim, False), None


def _literal(text: str, trim_left: bool, trim_right: bool) -> str:
    text = text.lstrip() if trim_left else text
    return _unescape(text.rstrip() if trim_right else text)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)


def _block(
    pieces: Iterator[tuple[str, _Action | None]], ends: tuple[str, ...]
) -> tuple[list[Part], _Action | None]:
    """The parts up to an action that begins with a word of `ends`; with that action."""
    parts: list[Part] = []
    for text, action in pieces:
        if action is None:
            parts.append(_constant(text))
            continue
        word = action.accept_word("if", "with", "range", "else", "end")
        if word in ends:
            return parts, action.seen(word)
        if word in ("else", "end"):
            action.fail(f'nothing is open that "{word}" could belong to')
        parts.append(_control(word, action, pieces) if word else _shown(action))
    if ends:
        raise UsageError("template: {{end}} is missing")
    return parts, None


def _constant(text: str) -> Part:
    return lambda scope: text


def _shown(action: _Action) -> Part:
    value = action.pipeline()
    action.finish()
    return lambda scope: as_text(value(scope))


def _control(word: str, action: _Action, pieces: Iterator[tuple[str, _Action | None]]) -> Part:
    """`if`, `with` or `range`, to its `end`."""
    names = action.variables()
    value = action.pipeline()
    action.finish()
    body, closing = _block(pieces, ("else", "end"))
    otherwise: list[Part] = []
    if closing and closing.word == "else":
        chained = closing.accept_word("if", "with")
        if chained:  # its end is ours, too
            otherwise = [_control(chained, closing, pieces)]
        else:
            closing.finish()
            otherwise, _ = _block(pieces, ("end",))
    scopes = {"if": _if_scopes, "with": _with_scopes, "range": _range_scopes}[word]

    def render(scope: Scope) -> str:
        inner = scopes(scope, value(scope), names, action)
        return "".join(_render(body, one) for one in inner) if inner else _render(otherwise, scope)

    return render


def _if_scopes(scope: Scope, value: Any, names: list[str], action: _Action) -> list[Scope]:
    return [{**scope, **dict.fromkeys(names, value)}] if value else []


def _with_scopes(scope: Scope, value: Any, names: list[str], action: _Action) -> list[Scope]:
    return [{**scope, **dict.fromkeys(names, value), ".": value}] if value else []


def _range_scopes(scope: Scope, value: Any, names: list[str], action: _Action) -> list[Scope]:
    """`$value := .List` or `$key, $value := .List`; of a map in the order of its keys, as in Go."""
    if value is not None and not isinstance(value, (dict, list, tuple)):
        action.fail(f"{as_text(value)!r} is not a list or a map")
    items = sorted(value.items()) if isinstance(value, dict) else list(enumerate(value or ()))
    return [{**scope, ".": item, **dict(zip(names[::-1], (item, key), strict=False))} for key, item in items]


# ---- one action -------------------------------------------------------------------------------------------


class _Action:
    """The words between {{ and }}, taken one after the other."""

    def __init__(self, whole: str, inside: str) -> None:
        self.whole = whole
        self.word = ""  # `else` or `end`, when it is one
        self._tokens: list[tuple[str, str]] = []
        at = 0
        inside = inside.rstrip()
        while at < len(inside):
            match = _TOKEN.match(inside, at)
            if match is None:
                self.fail(f"{inside[at:].strip()!r} is not understood")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()

    def fail(self, why: str, hint: str = "") -> NoReturn:
        raise UsageError(f"template {self.whole}: {why}", hint)

    def seen(self, word: str) -> _Action:
        self.word = word
        return self

    def accept_word(self, *words: str) -> str:
        """The next token, if it is one of `words`; else ""."""
        return self._next_token()[1] if self._tokens and self._tokens[0][1] in words else ""

    def _next_token(self) -> tuple[str, str]:
        if not self._tokens:
            self.fail("something is missing")
        return self._tokens.pop(0)

    def finish(self) -> None:
        if self._tokens:
            self.fail(f'"{self._tokens[0][1]}" is one word too many')

    def variables(self) -> list[str]:
        """`$key, $value :=`, if that comes next."""
        end = next((at for at, (_, text) in enumerate(self._tokens) if text == ":="), -1)
        names = [text for _, text in self._tokens[: end + 1] if text.startswith("$")]
        del self._tokens[: end + 1]
        return names

    def pipeline(self) -> Value:
        """`A | f | g x`: each value is the last argument of the next function."""
        value = self._command([])
        while self.accept_word("|"):
            value = self._command([value])
        return value

    def _command(self, last: list[Value]) -> Value:
        """A function with its arguments, or a value alone."""
        if self._tokens and self._tokens[0][0] == "word" and self._tokens[0][1] not in _CONSTANTS:
            _, name = self._next_token()
            if name not in FUNCTIONS:
                self.fail(f'there is no function "{name}"', f"functions: {' '.join(sorted(FUNCTIONS))}")
            arguments: list[Value] = []
            while self._tokens and self._tokens[0][1] not in ("|", ")"):
                arguments.append(self._operand())
            return self._call(name, arguments + last)
        if last:
            self.fail("after | comes a function")
        return self._operand()

    def _call(self, name: str, arguments: list[Value]) -> Value:
        def call(scope: Scope) -> Any:
            values = [argument(scope) for argument in arguments]
            try:
                return FUNCTIONS[name](*values)
            except (TypeError, ValueError, IndexError, AttributeError):
                self.fail(f'"{name}" cannot take {", ".join(map(as_text, values)) or "nothing"}')

        return call

    def _operand(self) -> Value:
        kind, text = self._next_token()
        if kind == "path":
            return self._path(text)
        if text == "(":
            value = self.pipeline()
            if not self.accept_word(")"):
                self.fail(") is missing")
            return self._fields(value, self._next_token()[1]) if self._field_follows() else value
        if kind == "text":
            constant: Any = text[1:-1] if text[0] == "`" else _unescape(text[1:-1])
        elif kind == "number":
            constant = float(text) if "." in text else int(text)
        elif text in _CONSTANTS:
            constant = _CONSTANTS[text]
        else:
            self.fail(f'"{text}" is not a value')
        return lambda scope: constant

    def _field_follows(self) -> bool:
        return bool(self._tokens) and self._tokens[0][0] == "path" and self._tokens[0][1].startswith(".")

    def _path(self, path: str) -> Value:
        """`.A.B`, `$.A`, `$name.A`."""
        start, _, _ = path.partition(".")

        def first(scope: Scope) -> Any:
            if (start or ".") not in scope:
                self.fail(f"there is no variable {start}")
            return scope[start or "."]

        return self._fields(first, path[len(start) :])

    def _fields(self, value: Value, path: str) -> Value:
        names = [name for name in path.split(".") if name]

        def look(scope: Scope) -> Any:
            part = value(scope)
            for name in names:
                if not isinstance(part, dict):
                    self.fail(f'{as_text(part)!r} has no fields, so no "{name}"')
                if name not in part:
                    self.fail(f'there is no field "{name}"', f"fields: {' '.join(map(str, part))}")
                part = part[name]
            return part

        return look


# ---- values -----------------------------------------------------------------------------------------------

_CONSTANTS = {"true": True, "false": False, "nil": None}


def as_text(value: Any) -> str:
    """A value as Go prints it: `true`, `[a b]`, `map[key:value]`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{as_text(item)}' for key, item in sorted(value.items()))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(as_text, value))}]"
    return str(value)


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _index(value: Any, *keys: Any) -> Any:
    """A map gives nothing for a key it has not got; a list has to be long enough."""
    for key in keys:
        value = value.get(key, "") if isinstance(value, dict) else value[key]
    return value


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def _printf(form: str, *values: Any) -> str:
    """%v is %s here, and %q the JSON form; the rest is C's."""
    left = iter(values)

    def fill(match: re.Match[str]) -> str:
        flags, verb = match[0][:-1], match[0][-1]
        if verb == "%":
            return "%"
        value = next(left, None)
        if verb in "vs":
            return f"{flags}s" % as_text(value)
        return f"{flags}s" % as_json(value) if verb == "q" else match[0] % value

    return re.sub(r"%[-+ 0#]*\d*(?:\.\d+)?[vsqdxXofeg%]", fill, form)


def _and(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": as_json,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "title": _title,
    "join": lambda items, separator: separator.join(map(as_text, items)),
    "split": lambda text, separator: text.split(separator),
    "truncate": lambda text, length: text[:length],
    "pad": lambda text, before, after: " " * before + text + " " * after if text else text,
    "len": lambda value: len(value),
    "slice": lambda value, *ends: value[slice(*ends)] if len(ends) > 1 else value[ends[0] :],
    "index": _index,
    "print": lambda *values: "".join(map(as_text, values)),
    "println": lambda *values: " ".join(map(as_text, values)) + "\n",
    "printf": _printf,
    "and": _and,
    "or": _or,
    "not": lambda value: not value,
    "eq": lambda value, *others: value in others,
    "ne": lambda one, other: one != other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
}
