"""`minirun image layers` on a terminal or in a pipe: the same lines, with colours on a terminal only."""

from __future__ import annotations

import heapq
import textwrap
from typing import TYPE_CHECKING

from minirun.cli import units
from minirun.cli.layers_words import instruction, printable
from minirun.cli.widths import ellipsis
from minirun.engine.view import layers as view
from minirun.engine.view.layers import ADDED, ATTRIBUTES, CHANGED, REMOVED, SAME
from minirun.image import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from minirun.engine.view.layers import Entry, Layer
    from minirun.image.image import Image

SIGNS = {ADDED: "+", CHANGED: "~", ATTRIBUTES: "@", REMOVED: "-", SAME: " "}
_WORDS = {ADDED: "added", CHANGED: "changed", ATTRIBUTES: "other attributes", REMOVED: "removed"}
_STYLES = {
    ADDED: "green",
    CHANGED: "yellow",
    ATTRIBUTES: "cyan",
    REMOVED: "red",
    SAME: "",
    "title": "bold",
    "quiet": "dim",
    "wasted": "magenta",
    "directory": "bold blue",
}
_BIGGEST = 5  # of what a layer brings, in the summary
_BAR = 24  # columns
_WIDTH = 100


class Pen:
    """pen(style, text): the text in colour on a terminal, as it is elsewhere or with NO_COLOR."""

    def __init__(self, out: TextIO, *, plain: bool = False) -> None:
        self.width = _WIDTH
        self._renderers: dict[str, Callable[[str], str]] = {}
        if not plain and out.isatty():
            self._look_at(out)

    def _look_at(self, out: TextIO) -> None:
        from functools import partial

        from rich.console import COLOR_SYSTEMS, Console  # 45 ms, for people only
        from rich.style import Style

        console = Console(file=out)
        self.width = console.width
        if console.color_system and not console.no_color:
            system = COLOR_SYSTEMS[console.color_system]
            for name, style in _STYLES.items():
                self._renderers[name] = partial(Style.parse(style).render, color_system=system)

    @property
    def colours(self) -> bool:
        return bool(self._renderers)

    def __call__(self, style: str, text: str) -> str:
        renderer = self._renderers.get(style)
        return renderer(text) if renderer and text else text


def lines(image: Image, layers: list[Layer], pen: Pen, *, whole: bool) -> Iterator[str]:
    """The image line by line; `whole`: with the tree of each layer, else with what is biggest in it."""
    yield from _heading(image, layers, pen)
    largest = max((layer.root.total for layer in layers), default=0)
    for line, layer in view.steps(image.document.get("history"), layers):
        if layer is None:
            yield pen("quiet", ellipsis(f"{'':10}{instruction(line)}   (no layer)", pen.width))
            continue
        yield ""
        yield _title(layer, len(layers), largest, pen)
        yield from _created_by(instruction(line), pen)
        yield from _tree(layer, pen) if whole else _summary(layer, pen)
        yield from _wasted(layer, pen)
    yield ""
    yield pen("quiet", "   ".join(f"{SIGNS[change]} {_WORDS[change]}" for change in view.CHANGES))


def _heading(image: Image, layers: list[Layer], pen: Pen) -> Iterator[str]:
    name = reference.parse(image.reference).familiar if image.reference else image.id[7:19]
    total, wasted = (sum(getattr(layer.root, which) for layer in layers) for which in ("total", "wasted"))
    count = f"{len(layers)} layer{'s' if len(layers) != 1 else ''}"
    yield f"{pen('title', printable(name))}   {count}, {units.size(total)}{_of(wasted, total, pen)}"
    document = image.document
    platform = f"{document.get('os')}/{document.get('architecture')}"
    yield pen("quiet", printable(f"{image.id}   {platform}   created {units.ago(image.created)}"))


def _of(wasted: int, total: int, pen: Pen) -> str:
    if not wasted:
        return ", nothing wasted"
    return ", " + pen("wasted", f"{units.size(wasted)} of it wasted ({100 * wasted / total:.0f}%)")


def _title(layer: Layer, count: int, largest: int, pen: Pen) -> str:
    changes = [
        pen(change, f"{SIGNS[change]}{number}") for change, number in layer.counts.items() if number
    ] or [pen("quiet", "no change")]
    bar = f"{_bar(layer, largest, pen)}  " if pen.colours else ""
    name = layer.diff_id.removeprefix("sha256:")[:12]
    title = pen("title", f"layer {layer.number + 1:>{len(str(count))}} of {count}")
    return f"{title}  {pen('quiet', name)}  {units.size(layer.root.total):>7}  {bar}{' '.join(changes)}"


def _bar(layer: Layer, largest: int, pen: Pen) -> str:
    """As long as the layer is big beside the largest; what is wasted of it in another colour."""
    scale = _BAR / max(largest, 1)
    wasted = round(layer.root.wasted * scale)
    used = max(round(layer.root.total * scale) - wasted, 0)
    rest = "·" * max(_BAR - used - wasted, 0)
    return pen(ADDED, "█" * used) + pen("wasted", "▒" * wasted) + pen("quiet", rest)


def _created_by(text: str, pen: Pen) -> Iterator[str]:
    if text:
        lines = textwrap.wrap(text, pen.width - 10, max_lines=3, placeholder=" …")
        yield from (f"          {line}" for line in lines)


# ---- the summary ------------------------------------------------------------------------------------------


def _summary(layer: Layer, pen: Pen) -> Iterator[str]:
    """What weighs most: files by the bytes they bring, removals by the bytes they hide."""
    entries = [entry for entry, _ in layer.root.walk() if _weight(entry)]
    biggest = heapq.nlargest(_BIGGEST, entries, key=_weight)
    for entry in biggest:
        yield f"{_size(entry, pen)}  {_sign(entry, pen)} {_name(entry, printable(entry.path), pen)}"
    if more := sum(layer.counts.values()) - len(biggest):
        yield pen("quiet", f"{'':12} … and {more} more" if biggest else f"{'':12} {more} without content")


def _weight(entry: Entry) -> int:
    """What came without bytes, as directories and links do, is worth no line; what went is."""
    if entry.change == SAME:
        return 0
    return entry.size or entry.hides or (entry.change != ADDED)


def _wasted(layer: Layer, pen: Pen) -> Iterator[str]:
    if not layer.root.wasted:
        return
    covered = [entry for entry, _ in layer.root.walk() if entry.wasted and entry.kind == "file"]
    later = sorted({entry.hidden_by + 1 for entry in covered})
    layers = f"layer{'s' if len(later) > 1 else ''} {' and '.join(map(str, later))}"
    files = f"{len(covered)} file{'s' if len(covered) != 1 else ''}"
    verb = "cover" if len(later) > 1 else "covers"
    yield pen("wasted", f"{units.size(layer.root.wasted):>9}  ! wasted: {layers} {verb} {files} of this one")


# ---- the tree ---------------------------------------------------------------------------------------------


def _tree(layer: Layer, pen: Pen) -> Iterator[str]:
    """Each entry with its bytes at the left, a directory's with those of all below it."""
    lines: list[str] = []  # of each open directory: what is drawn below its name
    last = {id(layer.root): next(reversed(layer.root.children.values()), None)}
    for entry, depth in layer.root.walk():
        del lines[depth - 1 :]
        is_last = last[id(entry.parent)] is entry
        branch = pen("quiet", "".join(lines) + ("└── " if is_last else "├── "))
        yield f"{_size(entry, pen)}  {_sign(entry, pen)} {branch}{_name(entry, printable(entry.name), pen)}"
        if entry.children:
            last[id(entry)] = next(reversed(entry.children.values()))
            lines.append("    " if is_last else "│   ")


def _size(entry: Entry, pen: Pen) -> str:
    if entry.change == REMOVED:
        return " " * 9
    if entry.kind not in ("file", "directory") or entry.first is not entry:
        return " " * 9
    return pen("quiet" if entry.kind == "directory" else "", f"{units.size(entry.total):>9}")


def _sign(entry: Entry, pen: Pen) -> str:
    return pen(entry.change, SIGNS[entry.change])


def _name(entry: Entry, name: str, pen: Pen) -> str:
    """The name in its colour, and what is to be said of it."""
    if entry.kind == "directory":
        name += "/"
    style = "directory" if entry.kind == "directory" and entry.change == SAME else entry.change
    return "  ".join([pen(style, name), *_remarks(entry, pen)])


def _remarks(entry: Entry, pen: Pen) -> Iterator[str]:
    if entry.target:
        yield pen("quiet", f"-> {printable(entry.target)}")
    elif entry.first is not entry:
        yield pen("quiet", f"= {printable(entry.first.path)}")
    elif entry.kind not in ("file", "directory"):
        yield pen("quiet", entry.kind)
    if entry.opaque:
        yield pen("quiet", "(opaque: hides all that lower layers have here)")
    if entry.hides:
        yield pen("quiet", f"(covers {units.size(entry.hides)} below)")
    if entry.hidden_by >= 0 and entry.kind != "directory":
        yield pen("wasted", f"! covered by layer {entry.hidden_by + 1}")
