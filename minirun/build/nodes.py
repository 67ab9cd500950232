"""The graph of a build: bases, and steps that change files, each standing on another one.

    Base (an image, or nothing) <── RunStep, CopyStep, WorkdirStep <── ...       `parent`
    Source: where COPY --from or a mount reads: a context, or a node             `needs()`

A node says what is to be done, with all words expanded, and is changed no more when it is planned.

Next     solve.py
"""

from __future__ import annotations

from minirun.errors import MinirunError, UsageError
from minirun.image import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build import mounts, stages
    from minirun.build.dockerfile import Line
    from minirun.build.remote import Remote
    from minirun.image.image import Image

SHELL = ["/bin/sh", "-c"]
SCRIPTS = "/dev/pipes"  # where a heredoc that begins with #! is to be found, as with BuildKit


class Base:
    """What a stage begins with: an image, or nothing."""

    def __init__(self, image: Image | None, name: str, meant: str = "") -> None:
        self.image = image
        self.name = name  # as written
        self.meant = meant or name  # of a --build-context the image that it names
        self.label = ""

    @property
    def diff_ids(self) -> list[str]:
        return self.image.diff_ids if self.image else []

    @property
    def shown(self) -> str:
        """An image by its whole name, as BuildKit shows it: `docker.io/library/busybox:latest`."""
        try:
            return str(reference.parse(self.meant)) if self.image else self.meant
        except UsageError:  # an id
            return self.meant


class Step:
    """One instruction that changes files.  What is the same for all kinds."""

    kind = ""

    def __init__(self, parent: Node, line: Line, shown: str) -> None:
        self.parent = parent
        self.line = line
        self.shown = shown  # the instruction as written, on one line
        self.label = ""  # "[builder 2/4] RUN make", once the stage is complete
        self.stage = ""

    def needs(self) -> list[Node]:
        """What has to be there before it can begin."""
        return [self.parent]


class RunStep(Step):
    kind = "run"

    def __init__(self, parent: Node, line: Line, shown: str) -> None:
        super().__init__(parent, line, shown)
        self.args: list[str] = []
        self.files: list[tuple[str, str]] = []  # (name, text): scripts of heredocs, below SCRIPTS
        self.env: dict[str, str] = {}
        self.arguments: list[str] = []  # those of `env` that are ARGs
        self.hidden_env: dict[str, str] = {}  # proxies: neither in the key nor in the history
        self.user = ""
        self.workdir = "/"
        self.shell = SHELL
        self.mounts: list[mounts.Mount] = []
        self.sources: list[Source | None] = []  # of the mounts: what a bind or a cache is filled from
        self.network = "default"
        self.insecure = False

    def needs(self) -> list[Node]:
        return [self.parent, *(source.node for source in self.sources if source and source.node)]


class CopyStep(Step):
    kind = "copy"

    def __init__(self, parent: Node, line: Line, shown: str, source: Source) -> None:
        super().__init__(parent, line, shown)
        self.source = source
        self.instruction: stages.Copy
        self.sources: list[str] = []
        self.files: list[tuple[str, bytes]] = []  # (name, content) of heredocs
        self.target = ""
        self.exclude: list[str] = []
        self.remotes: dict[str, Remote] = {}  # what came for those sources that are addresses
        self.chown = self.chmod = self.checksum = ""
        self.workdir = "/"

    def needs(self) -> list[Node]:
        return [self.parent, *([self.source.node] if self.source.node else [])]


class WorkdirStep(Step):
    kind = "workdir"

    def __init__(self, parent: Node, line: Line, shown: str, path: str, user: str) -> None:
        super().__init__(parent, line, shown)
        self.path = path
        self.user = user


Node = Base | Step


class Source:
    """Where COPY --from or a mount reads: a context by its name ("" is the build's own), or a node."""

    def __init__(self, context: str = "", node: Node | None = None) -> None:
        self.context = context
        self.node = node


# ---- errors with a place -----------------------------------------------------------------------------------


class PlanError(MinirunError):
    """What is wrong with an instruction; `line` and `end` are its place in the file."""

    def __init__(self, message: str, hint: str, line: Line) -> None:
        super().__init__(message, hint)
        self.line, self.end = line.start, line.end


def located(error: MinirunError, line: Line) -> MinirunError:
    """The same error, with its place in the file."""
    return error if isinstance(error, PlanError) else PlanError(error.message, error.hint, line)
