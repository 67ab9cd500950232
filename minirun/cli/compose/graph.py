"""`minirun compose graph`: a project drawn.  There is no such command in Docker Compose.

See  graph_text.py for a terminal, graph_svg.py for a picture; compose/graph.py for what is drawn
"""

from __future__ import annotations

import sys

import click

from minirun.cli.printing import write_lines
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.cli.compose.group import Compose
    from minirun.compose.graph import Graph

_FORMS = ("text", "svg", "html")


@click.command("graph", short_help="Draw services, networks, volumes and ports")
@click.option("--svg", "as_svg", is_flag=True, help="A picture: --format svg.")
@click.option(
    "--format", "form", type=click.Choice(_FORMS), help="How it is drawn; else as the file's name says."
)
@click.option("-o", "--output", "path", default="", help="Write to this file, not to standard output.")
@click.argument("services", nargs=-1)
@click.pass_obj
def graph_command(
    compose: Compose, as_svg: bool, form: str | None, path: str, services: tuple[str, ...]
) -> None:
    """Draw the services in the order in which they start, with networks, volumes and published ports.

    Where there are containers, it is shown how they are.  A picture and a page load nothing and run nothing.
    """
    from minirun.compose import graph, observed

    form = "svg" if as_svg else form or _form_of(path)
    if form != "text" and not path and sys.stdout.isatty():
        raise UsageError("a picture is for a browser and not for a terminal", "-o FILE")
    project = compose.load(services)
    drawn = graph.make(project, services, observed.look(compose.session, project.name))
    write_lines(_drawn(drawn, form, plain=bool(path)), path)


def _form_of(path: str) -> str:
    end = path.rpartition(".")[2].lower()
    return {"svg": "svg", "html": "html", "htm": "html"}.get(end, "text")


def _drawn(drawn: Graph, form: str, *, plain: bool) -> Iterable[str]:
    if form == "text":
        from minirun.cli.compose import graph_text
        from minirun.cli.layers_text import Pen

        return graph_text.render(drawn, Pen(sys.stdout, plain=plain))
    from minirun.cli.compose import graph_svg

    return [graph_svg.page(drawn) if form == "html" else graph_svg.picture(drawn)]
