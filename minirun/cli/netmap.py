"""`minirun network map`: networks, veths, addresses, rules and published ports, for looking.

Two forms of the same picture: for a terminal, and as one page for a browser.

See      engine/diagnose/netmap.py, where it is found out; netmap_words.py; docs/networks.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minirun.cli.printing import write_lines
from minirun.engine.diagnose import netmap
from minirun.errors import UsageError

if TYPE_CHECKING:
    from minirun.paths import Paths


@click.command("map", short_help="Draw networks, containers and what is published")
@click.option("--html", "as_html", is_flag=True, help="Write one page for a browser; it needs no network.")
@click.option("-o", "--output", "path", default="", help="Write to this file, not to standard output.")
@click.argument("names", nargs=-1, metavar="[NETWORKS...]")
@click.pass_obj
def map_command(paths: Paths, as_html: bool, path: str, names: tuple[str, ...]) -> None:
    """Draw networks, the containers on them and the ports they publish, as they are at this moment.

    What the kernel has and what it should have are compared; where they differ, a mark says what to do.  Nothing is
    repaired or changed.
    """
    if as_html and not path and sys.stdout.isatty():
        raise UsageError("a page is for a browser and not for a terminal", "-o FILE")
    found = netmap.gather(paths, names)
    if as_html:
        from minirun.cli import netmap_html

        write_lines([netmap_html.page(found)], path)
    else:
        from minirun.cli import netmap_text
        from minirun.cli.layers_text import Pen

        write_lines(netmap_text.render(found, Pen(sys.stdout, plain=bool(path))), path)
