"""What a step is known by: all that decides what it makes, as plain data, from which cache.py makes its key.

    parent    the layers it starts from, by content
    read      digests of what it reads: files of a context; of a stage its layers at first, then what was found there
    the rest  its instruction after expansion; of a RUN what is in its environment

What is not in it is no reason to do a step again: times, secrets, the content of cache mounts, proxies, limits.

See      moby/buildkit solver/llbsolver/ops, CacheMap
Next     steps.py
"""

from __future__ import annotations

from minirun.build import nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.build.means import Built, Means
    from minirun.build.nodes import CopyStep, Node, Source, Step
    from minirun.paths import Paths


def first_inputs(step: Step, means: Means, built: dict[Node, Built]) -> dict[str, Any]:
    """What it is looked for by at first: stages that it reads from are told by their layers."""
    read = []
    for place, source in enumerate(sources(step)):
        if source is None or source.node is None:
            read.append(means.digests.get((step, place), ""))
        else:
            read.append(f"chain {built[source.node].chain_id}")
    return inputs(step, means, built[step.parent].chain_id, read)


def inputs(step: Step, means: Means, parent: str, read: list[str]) -> dict[str, Any]:
    """All that decides what a step makes; `read` are digests of what it reads, in the order of its sources."""
    found: dict[str, Any] = {"parent": parent, "read": read, "epoch": means.epoch}
    if isinstance(step, nodes.RunStep):
        found |= {
            "args": step.args,
            "files": step.files,
            "env": step.env,
            "user": step.user,
            "workdir": step.workdir,
            "network": step.network,
            "insecure": step.insecure,
            "mounts": [vars(mount) for mount in step.mounts],
            "hosts": means.extra_hosts,
        }
    elif isinstance(step, nodes.CopyStep):
        instruction = step.instruction
        found |= {
            "word": "ADD" if instruction.is_add else "COPY",
            "target": step.target,
            "workdir": step.workdir,
            "chown": step.chown,
            "chmod": step.chmod,
            "link": instruction.link,
            "parents": instruction.parents,
            "unpack": instruction.unpack,
        }
        if instruction.link and not needs_names(step):
            found["parent"] = ""  # it is laid over whatever is there
    elif isinstance(step, nodes.WorkdirStep):
        found |= {"path": step.path, "user": step.user}
    return found


def needs_names(step: CopyStep) -> bool:
    """Whether --chown has names, which the image's /etc/passwd and /etc/group explain."""
    return bool(step.chown) and not all(part.isdecimal() for part in step.chown.split(":"))


def sources(step: Step) -> list[Source | None]:
    """Where it reads, in its instruction's order."""
    if isinstance(step, nodes.CopyStep):
        return [step.source]
    return list(step.sources) if isinstance(step, nodes.RunStep) else []


def source_directories(step: Step, built: dict[Node, Built], paths: Paths) -> list[list[str]]:
    """The layers of the stages and images it reads from, lowest first; [] for a context."""
    return [
        built[source.node].directories(paths) if source and source.node else [] for source in sources(step)
    ]
