"""What to take back when a create or an exec fails half way: the last act first.

    with Undo() as undo:
        directory = make()
        undo.add(remove, directory)      # called only if something below raises
        ...

contextlib.ExitStack does this and more, and costs 3 ms to import.

See  runtime-spec runtime.md "Errors": after an error it has to be as if the operation had not been attempted
"""

from __future__ import annotations

from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Undo:
    """The acts that undo what was done so far.  They are called, last first, when the with block fails."""

    def __init__(self) -> None:
        self.acts: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def add(self, function: Callable[..., object], *args: Any) -> None:
        self.acts.append((function, args))

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        for function, args in reversed(self.acts) if error else ():
            try:
                function(*args)
            except (MinirunError, OSError):
                pass  # the error to tell is the first one
