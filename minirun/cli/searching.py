"""search: what a registry has, as Docker lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minirun.cli import filters, format, widths
from minirun.cli.printing import say_line
from minirun.errors import UsageError

if TYPE_CHECKING:
    from minirun.cli.format import Row
    from minirun.image.search import Found
    from minirun.paths import Paths

_HEADINGS = {"Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL"}
_FILTERS = ("is-official", "stars")
_DESCRIPTION_MAX = 45  # columns


@click.command("search", short_help="Search a registry for images")
@click.option("-f", "--filter", "words", multiple=True, help="is-official=true, stars=NUMBER.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Description}}'.")
@click.option("--limit", default=25, metavar="NUMBER", help="Of results, from 1 to 100.")
@click.option("--no-trunc", is_flag=True, help="Print whole descriptions.")
@click.argument("term", metavar="[HOST/]TERM")
@click.pass_obj
def search_command(
    paths: Paths, words: tuple[str, ...], form: str, limit: int, no_trunc: bool, term: str
) -> None:
    """Search Docker Hub, or the registry HOST, for images that are called like TERM.

    Of a registry without a search of its own the catalogue is looked through; HOST/ alone lists it.
    """
    from minirun.image.search import search
    from minirun.image.store import Store

    wanted = filters.parse(words, _FILTERS)
    official = [filters.boolean(text) for text in wanted.get("is-official", ())]
    stars = [_stars(text) for text in wanted.get("stars", ())]
    found = [
        one
        for one in search(term, Store(paths).settings, limit)
        if all(one.official == each for each in official) and all(one.stars >= each for each in stars)
    ]
    rows = [
        _row(one, whole=no_trunc, words=("true", "false") if form == "json" else ("[OK]", ""))
        for one in found
    ]
    for line in format.lines(rows, form, _HEADINGS, list(_HEADINGS)):
        say_line(line)


def _stars(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"invalid filter 'stars={text}'", "-f stars=3")
    return int(text)


def _row(found: Found, *, whole: bool, words: tuple[str, str]) -> Row:
    description = found.description.replace("\r", " ").replace("\n", " ")
    return {
        "Name": found.name,
        "Description": description if whole else widths.ellipsis(description, _DESCRIPTION_MAX),
        "StarCount": str(found.stars),
        "IsOfficial": words[not found.official],
    }
