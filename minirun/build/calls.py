"""`build --call`: what is answered from the Dockerfile alone, and the warnings that a build ends with.

    check      what the rules find, and hints of our own
    outline    what a build of the target may be given
    targets    the stages, and what their comments say of them

See      checks.py, outline.py; docs.docker.com "docker buildx build", --call
By hand  minirun build --check .; minirun build --call targets .
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.build import checks
from minirun.errors import MinirunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from minirun.build.dockerfile import Dockerfile
    from minirun.build.ignore import Ignore
    from minirun.build.options import BuildOptions
    from minirun.build.outline import Outline
    from minirun.build.plan import Plan
    from minirun.build.progress import Warning


def check(file: Dockerfile, options: BuildOptions, ignore: Ignore | None) -> list[Warning]:
    """All that is found, by line.  Raises MinirunError for a file that cannot be built at all."""
    given, target = options["build_args"], options["target"]
    found = checks.check(file, build_args=given, platform=options["platform"], target=target, ignore=ignore)
    return [*found, *checks.hint(file, build_args=given, target=target)]


def warnings(file: Dockerfile, options: BuildOptions, ignore: Ignore | None, plan: Plan) -> list[Warning]:
    """What the rules find in the stages that are built, now that their bases are known.

    Raises MinirunError where the file says `check=error=true`.
    """
    found = checks.check(
        file,
        build_args=options["build_args"],
        platform=options["platform"],
        target=options["target"],
        bases={base.name: base.image.document for base in plan.images.values() if base.image},
        ignore=ignore,
        only=plan.states.keys(),
    )
    if failure := checks.failure(file, found, options["build_args"]):
        raise MinirunError(failure)
    return found


def report(file: Dockerfile, options: BuildOptions) -> str:
    """The answer to --call outline or targets, as a table or as JSON."""
    from minirun.build import outline  # few ask, and it brings the mounts along

    is_outline = options["call"] == "outline"
    answer: Any = (
        outline.outline(file, options["target"], options["build_args"], options["platform"])
        if is_outline
        else outline.targets(file)
    )
    if options["call_format"] == "json":
        import json

        return json.dumps(answer if is_outline else {"targets": answer}, indent=2)
    return _outline(answer) if is_outline else _targets(answer)


def _targets(found: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{one['name']}{' (default)' if one['default'] else ''}".strip() for one in found]
    return _table(
        ("TARGET", "DESCRIPTION"),
        [(name, one["description"]) for name, one in zip(names, found, strict=True)],
    )


def _outline(found: Outline) -> str:
    parts = [f"TARGET:      {found['name'] or 'default'}"]
    if found["description"]:
        parts[0] += f"\nDESCRIPTION: {found['description']}"
    if found["args"]:
        rows = [(one["name"], one["value"], one["description"]) for one in found["args"]]
        parts.append(_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows))
    for title, key in (("SECRET", "secrets"), ("SSH", "ssh")):
        wanted = found[key]  # type: ignore[literal-required]
        if wanted:
            parts.append(
                _table((title, "REQUIRED"), [(one["name"], str(one["required"]).lower()) for one in wanted])
            )
    if found["cache"]:
        parts.append(_table(("CACHE MOUNT",), [(one["id"],) for one in found["cache"]]))
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
