"""`compose ls`: the projects of this machine, by the labels of their containers; no file is read.

See  compose/observed.py
"""

from __future__ import annotations

import re
from collections import Counter

import click

from minirun.cli import filters, format
from minirun.cli.printing import say
from minirun.compose import labels, observed
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose
    from minirun.compose.observed import Container

_HEADINGS = {"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}


@click.command("ls", short_help="List projects")
@click.option("-a", "--all", "every", is_flag=True, help="Those of which nothing runs, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only the names.")
@click.option("--filter", "words", multiple=True, help="name=...: a regular expression.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="table, json.")
@click.pass_obj
def ls_command(compose: Compose, every: bool, quiet: bool, words: tuple[str, ...], form: str) -> None:
    """List projects."""
    patterns = filters.parse(words, ("name",)).get("name", [])
    projects: dict[str, list[Container]] = {}
    for one in observed.of_all_projects(compose.session):
        if every or one.is_up:
            projects.setdefault(one.labels[labels.PROJECT], []).append(one)
    rows = [_row(name, projects[name]) for name in sorted(projects) if _is_wanted(name, patterns)]
    if quiet:
        say("".join(f"{row['Name']}\n" for row in rows), end="")
    elif form == "json":
        from minirun.cli import template

        say(template.as_json(rows))
    else:
        for line in format.lines(rows, "", _HEADINGS, list(_HEADINGS)):
            say(line)


def _is_wanted(name: str, patterns: list[str]) -> bool:
    try:
        return not patterns or any(re.search(pattern, name) for pattern in patterns)
    except re.error as error:
        raise UsageError(f"invalid filter: it is no regular expression: {error}") from None


def _row(name: str, found: list[Container]) -> format.Row:
    """`exited(1), running(2)`, and the files of all of them: some may have been made before a file was added."""
    statuses = Counter(one.status for one in found)
    files = dict.fromkeys(
        file for one in found for file in one.labels.get(labels.CONFIG_FILES, "").split(",") if file
    )
    return {
        "Name": name,
        "Status": ", ".join(f"{status}({count})" for status, count in sorted(statuses.items())),
        "ConfigFiles": ",".join(files) or "N/A",
    }
