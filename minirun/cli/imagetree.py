"""`images --tree`: each image with its names, and below it what it is for, with what that takes up.

    IMAGE                ID             DISK USAGE   CONTENT SIZE   EXTRA
    me/tool:2
    me/tool:1            5e1a6d2f3b4c       12.4MB         3.08MB   U
    └─ linux/amd64       0b8ea8c2b9ac       12.4MB         3.08MB   U

CONTENT SIZE is what travels, the packed layers with their manifest and config; DISK USAGE has the unpacked ones,
too.  U: a container was made from it.  An image here is for one platform, so there is one line below it, or one for
each packing.

See  docker/cli cli/command/image/tree.go; cli/images.py
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minirun.cli import picture, units
from minirun.cli.printing import draw
from minirun.cli.widths import ellipsis, width
from minirun.image import platforms, reference, usage
from minirun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from minirun.image.image import Image

_WARNING = "WARNING: This is an experimental feature. The output may change and shouldn't be depended on."
_COLUMNS = (("ID", 12), ("DISK USAGE", 10), ("CONTENT SIZE", 12), ("EXTRA", 5))
_NARROWEST = 12  # columns of a terminal that the names need: the last of the others are left out for them
_SPACE = "   "
_USED = "U"


def show(images: list[Image], used: Container[str]) -> None:
    """Print `images`, in that order, to standard output; `used` has the ids of those with containers."""
    terminal = sys.stdout.isatty()
    columns = picture.size(sys.stdout)[0] if terminal else 80
    draw(click.style(_WARNING, fg="bright_yellow"))
    draw(_legend(columns, terminal))
    for line in tree(images, used, columns):
        draw(line)


def tree(images: list[Image], used: Container[str], columns: int) -> Iterator[str]:
    """The lines below the legend, in colour, for a terminal of so many columns."""
    alike: dict[str, dict[tuple[str, str], Image]] = {}
    for image in images:
        alike.setdefault(image.id, {})[image.digest, image.reference] = image
    blocks = [_block(list(same.values()), image_id in used) for image_id, same in alike.items()]
    # Docker counts the bytes of a name, so that its twigs make the column wider than they are
    widest = max((len(row[0].encode()) for rows in blocks for row in rows), default=0)
    kept, room = [], columns
    for heading, wide in _COLUMNS:
        if room - wide - len(_SPACE) < _NARROWEST:
            break
        room -= wide + len(_SPACE)
        kept.append((heading, wide))
    widths = [min(room, max(widest, len("IMAGE"))), *(wide for _, wide in kept)]
    yield ""
    yield _line(["IMAGE", *(heading for heading, _ in kept)], widths, "bold")
    for rows in blocks:
        for row in rows:
            kind = "plain" if row[0].startswith(("├", "└")) else "dim" if row[0] == "<untagged>" else "name"
            yield _line(row, widths, kind)
        yield ""


def _block(images: list[Image], used: bool) -> list[list[str]]:
    """The rows of one image: its names, the last of them with the figures of all, and one for each packing."""
    parsed = {reference.parse(image.reference) for image in images if image.reference}
    names = sorted({one_line(name.familiar) for name in parsed if name.tag}, reverse=True) or ["<untagged>"]
    packings = list({image.digest: image for image in images}.values())
    rows = [[name] for name in names]
    rows[-1] += _figures(images[0].id, packings, used)
    for image in packings:
        twig = "└─" if image is packings[-1] else "├─"
        platform = platforms.show(platforms.of(image.document))
        rows.append([f"{twig} {platform}", *_figures(image.digest, [image], used)])
    return rows


def _figures(digest: str, images: list[Image], used: bool) -> list[str]:
    content, unpacked = usage.sizes(images)
    return [digest[7:19], units.size(content + unpacked), units.size(content), _USED if used else ""]


def _line(cells: list[str], widths: list[int], kind: str) -> str:
    """The cells in their columns: sizes to the right, the others to the left."""
    name = ellipsis(cells[0], widths[0])
    shown = [_colour(name, kind) + " " * (widths[0] - width(name))]
    for index, (text, wide) in enumerate(zip(cells[1:], widths[1:], strict=False), 1):
        padding = " " * (wide - len(text))
        text = _colour(text, "bold" if kind == "bold" else "used" if text == _USED else "plain")
        shown.append(padding + text if index in (2, 3) and kind != "bold" else text + padding)
    return _SPACE.join(shown).rstrip()


def _colour(text: str, kind: str) -> str:
    styles = {
        "bold": {"bold": True},
        "dim": {"dim": True},
        "name": {"fg": "blue", "bold": True},
        "used": {"fg": "black", "bg": "bright_cyan"},
    }
    return click.style(text, **styles[kind]) if kind in styles and text else text  # type: ignore[arg-type]


def _legend(columns: int, terminal: bool) -> str:
    info = "i Info → " if terminal else "Info -> "
    room = " " * (columns - len(f"{info} U In Use "))
    return f"{room}{click.style(info, fg='bright_cyan')} {_colour(_USED, 'used')} In Use "
