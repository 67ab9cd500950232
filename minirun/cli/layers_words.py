"""Words about an image's layers that all forms of `minirun image layers` share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHELL = "/bin/sh -c "
_NO_OPERATION = f"{_SHELL}#(nop)"  # how docker build, before BuildKit, wrote what is no RUN


def printable(name: str) -> str:
    r"""A name from an image, harmless on any screen: what is no text or steers the terminal becomes `\xff`."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(map(_escaped, name))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode's way to keep a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def instruction(line: dict[str, Any]) -> str:
    """A history line as its Dockerfile had it, as far as that can be told, on one line."""
    text = str(line.get("created_by") or line.get("comment") or "")
    text = text.removesuffix(" # buildkit").replace(f"RUN {_SHELL}", _SHELL, 1)
    if text.startswith(_NO_OPERATION):
        text = text.removeprefix(_NO_OPERATION)
    elif text.startswith(_SHELL):
        text = f"RUN {text.removeprefix(_SHELL)}"
    return printable(" ".join(text.split()))
