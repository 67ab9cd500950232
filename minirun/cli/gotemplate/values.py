"""Values as Go has them, as far as a template can tell: a nil list, a nil pointer and no value at all are three things.

    str, bool, int, float, list    themselves
    Map       a map, which knows what it answers for a key that it has not got
    Struct    has the fields of its type and no others; a field that JSON leaves out is there all the same
    Pointer   a pointer that is not nil: to a struct, or to a number that may be missing
    Nil       a nil list, map or pointer
    Number    a number of which only JSON knows, so it is text (json.Number)
    None      no value: what is not there, and a nil of no type

See  reflect; text/template exec.go
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Methods = dict[str, Callable[[str], str]]


class Map(dict[str, "Any"]):
    def __init__(
        self,
        items: dict[str, Any],
        zero: Any = None,
        methods: Methods | None = None,
        *,
        is_closed: bool = False,
    ) -> None:
        super().__init__(items)
        self.is_closed = is_closed  # its keys are of a type of their own, so no text is one: nat.Port
        self.zero = zero  # what `index` answers for a key that is not there
        self.methods = methods or {}


class Struct(dict[str, "Any"]):
    """By the names that a template has for the fields; `json_names` are those that JSON has, for what is in it.

    `sorts`: its JSON is in the order of the keys, as that of Docker's rows.
    """

    def __init__(
        self,
        fields: dict[str, Any],
        json_names: dict[str, str] | None = None,
        methods: Methods | None = None,
        *,
        sorts: bool = False,
    ) -> None:
        super().__init__(fields)
        self.json_names = {name: name for name in fields} if json_names is None else json_names
        self.methods = methods or {}
        self.sorts = sorts


class Pointer:
    def __init__(self, target: Any) -> None:
        self.target = target


class Nil:
    def __init__(self, kind: str) -> None:
        self.kind = kind  # slice, map, pointer


class Number(str):
    __slots__ = ()


class Time(str):
    """A moment as Go prints it; `written` is how JSON has it."""

    def __new__(cls, shown: str, written: str) -> Time:
        made = super().__new__(cls, shown)
        made.written = written
        return made

    written: str


NIL_SLICE, NIL_MAP, NIL_POINTER = Nil("slice"), Nil("map"), Nil("pointer")


def kind(value: Any) -> str:
    """Go's word for what it is; "" for no value."""
    if value is None:
        return ""
    if isinstance(value, Nil):
        return value.kind
    if isinstance(value, Struct):
        return "struct"
    for one, word in _KINDS:
        if isinstance(value, one):
            return word
    return type(value).__name__


_KINDS: tuple[tuple[type, str], ...] = (
    *((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (dict, "map"), (list, "slice")),
    (Pointer, "pointer"),
)


def indirect(value: Any) -> Any:
    """What a pointer points to; anything else, and a nil pointer, is itself."""
    return value.target if isinstance(value, Pointer) else value


def is_true(value: Any) -> bool:
    """Not the zero of its kind: a pointer to 0 is true, and so is a struct."""
    if isinstance(value, (Struct, Pointer)):
        return True
    return not isinstance(value, Nil) and bool(value)


def items(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """What `range` goes through, with index or key; None for what it cannot go through."""
    value = indirect(value)
    if value is None or value in (NIL_SLICE, NIL_MAP):
        return ()
    if isinstance(value, list):
        return enumerate(value)
    if isinstance(value, (bool, Struct)):
        return None
    if isinstance(value, int):
        return ((at, at) for at in range(value))
    return sorted(value.items()) if isinstance(value, dict) else None


def plain(value: Any) -> Any:
    """The value for JSON: the keys of a Map are in order, all else is as it comes."""
    value = indirect(value)
    if isinstance(value, Nil):
        return None
    if isinstance(value, Struct):
        fields = {name: plain(value[field]) for name, field in value.json_names.items()}
        return dict(sorted(fields.items())) if value.sorts else fields
    if isinstance(value, dict):
        pairs = sorted(value.items()) if isinstance(value, Map) else value.items()
        return {str(key): plain(item) for key, item in pairs}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Number):
        return float(value) if "." in value else int(value)
    return value.written if isinstance(value, Time) else value


def raw(facts: Any) -> Any:
    """What json.loads has made, for a template that knows nothing of types: all structs are maps."""
    if isinstance(facts, dict):
        return Map({key: raw(item) for key, item in facts.items()})
    if isinstance(facts, (list, tuple)):
        return [raw(item) for item in facts]
    if isinstance(facts, (int, float)) and not isinstance(facts, bool):
        return Number(facts)
    return facts


def typeless(facts: Any) -> Any:
    """The same for what has no type and keeps its numbers."""
    if isinstance(facts, (Struct, Map, Pointer)):
        return facts
    if isinstance(facts, dict):
        return Map({str(key): typeless(item) for key, item in facts.items()})
    return [typeless(item) for item in facts] if isinstance(facts, (list, tuple)) else facts
