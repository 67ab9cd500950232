"""`minirun compose why`: the way from a service that does not come up to the first cause.  There is no such command in
Docker Compose.

See  compose/why.py
"""

from __future__ import annotations

import shutil
import textwrap

import click

from minirun.cli.printing import draw, say
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.cli.compose.group import Compose
    from minirun.compose.why import Problem, Step, Story
    from minirun.paths import Paths

_MARKS = {"ok": ("✓", "green"), "waits": ("–", "yellow"), "bad": ("✗", "red")}
_NARROWEST, _USUAL = 60, 110


@click.command("why", short_help="Say why a service does not come up")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How it is shown."
)
@click.argument("services", nargs=-1)
@click.pass_obj
def why_command(compose: Compose, form: str, services: tuple[str, ...]) -> int:
    """Walk from services that do not come up, none: all that are not well, to the first cause, and say what to do.

    Nothing is changed.  The exit code is 0 when all is well, else 1.
    """
    from minirun.compose import observed, why, why_facts

    project = compose.load(services)
    paths = compose.session
    there = observed.look(paths, project.name)
    machine = why_facts.Machine(paths, project, lambda port, protocol: _way_in(paths, port, protocol))
    story = why.tell(project, there, machine, services)
    if form == "json":
        from minirun import jsontext

        found = {key: [one._asdict() for one in getattr(story, key)] for key in ("steps", "causes")}
        say(jsontext.dumps(found, indent=2))
    else:
        _show(story)
    return int(bool(story.causes))


def _way_in(paths: Paths, port: int, protocol: str) -> Problem | None:
    """What a packet to a published port of this host meets with."""
    from minirun.compose.why import Problem
    from minirun.teach import packet_path, path_checks

    hop = path_checks.failed(packet_path.walk(paths, (f"host:{port}/{protocol}",)))
    if hop is None:
        return None
    return Problem(hop.found, hop.advice or f"minirun network why host:{port}/{protocol}")


def _show(story: Story) -> None:
    width = max(shutil.get_terminal_size((_USUAL, 24)).columns, _NARROWEST)
    name = max((2 * step.depth + len(step.service) for step in story.steps), default=0) + 2
    for step in story.steps:
        for line in _lines(step, name, width):
            draw(line)
    if not story.causes:
        say("All is well." if story.steps else "All services are well.")
        return
    if story.steps:
        say("")
    for number, cause in enumerate(story.causes):
        sentence = f"{'also: ' if number else ''}{cause.sentence}."
        for line in textwrap.wrap(printable(sentence), width, break_on_hyphens=False):
            draw(click.style(line, bold=not number))
        draw(printable(f"-> {cause.advice}"))


def _lines(step: Step, name: int, width: int) -> Iterator[str]:
    mark, colour = _MARKS[step.state]
    indent = " " * (name + 2)
    label = f"{'  ' * step.depth}{step.service}"
    first, *rest = textwrap.wrap(printable(step.found), width - len(indent), break_on_hyphens=False) or [""]
    yield f"{click.style(mark, fg=colour)} {label:<{name}}{first}"
    yield from (indent + line for line in rest)
    for detail in step.details:
        wrapped = textwrap.wrap(printable(detail), width - len(indent), subsequent_indent="  ") or [""]
        yield from (indent + click.style(line, dim=True) for line in wrapped)
