"""What moving an image looks like: a bar for each layer on a terminal, plain lines elsewhere.

    4abcf2066143: Downloading [==================>                  ]  12.31MB/24.05MB  31.2MB/s
    9ade9cc2e26d: Pull complete

`advance` is told thousands of times a second by several threads, so it notes two numbers and leaves.  A thread
of rich's looks at them ten times a second and draws.  rich is loaded with the first layer (45 ms): a run whose
image is here never pays for it.

See  console_codes(4): what moves the cursor up and erases lines
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from minirun.cli import picture
from minirun.cli.printing import say
from minirun.cli.units import size
from minirun.errors import none_left
from minirun.image.progress import Lines, Progress
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.live import Live
    from rich.text import Text

_FRAMES_PER_SECOND = 10
_SPEED_FRAMES = 20  # the speed shown is that of the last two seconds
_BAR_MAX = 50  # Docker's; narrower where the terminal is
_BAR_MIN = 8
_NO_LIMIT = 10_000
_COMPLETE = ("Pull complete", "Already exists", "Pushed", "Layer already exists", "Mounted from")
_WAITING = ("Pulling fs layer", "Preparing", "Waiting")


@contextmanager
def show(stream: TextIO, quiet: bool = False, *, bars: bool = True) -> Iterator[Progress]:
    """Progress for people on `stream`.  Whatever happens in the block, the terminal is left in order.

    Not `bars` is for those who let others write to the same terminal meanwhile.
    """
    if quiet:
        yield Progress()
    elif not bars or not picture.can_draw(stream):
        yield Lines(lambda line: say(line, file=stream))
    else:
        drawn = Bars(stream)
        try:
            yield drawn
        finally:
            drawn.close()


class Layer:
    """Where one layer is: its status, and `done` of `total` bytes (0 when there is nothing to measure)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status, self.done, self.total = "", 0, 0
        self.seen: list[tuple[float, int]] = []  # (when, done) of the last frames

    def enter(self, status: str) -> None:
        self.status, self.done, self.total = status, 0, 0
        self.seen = []

    def advance(self, status: str, done: int, total: int) -> None:
        if status != self.status:
            if status == "Extracting" and self.done < self.total:
                return  # unpacking follows on the heels of the download, which is shown to its end
            self.enter(status)
        self.done, self.total = done, total

    @property
    def is_moving(self) -> bool:
        return self.done > 0 or self.total > 0

    @property
    def is_complete(self) -> bool:
        return self.status.startswith(_COMPLETE)

    @property
    def style(self) -> str:
        return "green" if self.is_complete else "dim" if self.status in _WAITING else ""

    def speed(self, now: float) -> float:
        """Bytes a second.  Called once a frame."""
        self.seen = [*self.seen[-_SPEED_FRAMES:], (now, self.done)]
        then, before = self.seen[0]
        return (self.done - before) / (now - then) if now > then else 0


def line(layer: Layer, width: int, now: float) -> str:
    """One layer in at most `width` columns: the bar gives way first, then the speed, then the bytes."""
    start = f"{layer.name}: {layer.status}"
    if not layer.is_moving:
        return start[:width]
    speed = layer.speed(now)
    numbers = size(layer.done, 4) + (f"/{size(layer.total, 4)}" if layer.total else "")
    end = f"{numbers:>17}{f'{size(speed)}/s' if speed > 0 else '':>11}"
    room = min(width - len(f"{start}  {end}[]"), _BAR_MAX)
    share = min(layer.done / layer.total, 1) if layer.total else 0
    if layer.total and room >= _BAR_MIN:
        return f"{start} {bar(share, room)} {end}"
    shorter = (f"{start} {end}", f"{start} {numbers}", f"{start} {share:.0%}")
    return next((text for text in shorter if len(text) <= width), start[:width])


def bar(share: float, width: int) -> str:
    """Docker's: `[=====>      ]`, `width` columns between the brackets."""
    filled = int(share * width)
    body = "=" * filled if filled >= width else "=" * filled + ">"
    return f"[{body.ljust(width)}]"


class Bars(Progress):
    """The screen, from top to bottom: what was said, a line for each layer, what was said since."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._layers: dict[str, Layer] = {}
        self._below: list[str] = []
        self._live: Live | None = None  # while something is drawn
        self._closed = False
        self._lock = threading.RLock()  # guards what appears and disappears, not the numbers

    def say(self, line: str) -> None:
        with self._lock:
            if self._live:
                self._below.append(printable(line))
            else:
                say(line, file=self._stream)

    def layer(self, name: str, status: str) -> None:
        if self._below:
            self._part()
        self._of(name).enter(status)

    def advance(self, name: str, status: str, done: int, total: int) -> None:
        self._of(name).advance(status, done, total)

    def close(self) -> None:
        """Nothing more is drawn, whatever threads that were left behind still have to tell."""
        with self._lock:
            self._closed = True
            self._finish()

    def _of(self, name: str) -> Layer:
        return self._layers.get(name) or self._add(name)

    def _add(self, name: str) -> Layer:
        with self._lock:
            if self._closed:
                return Layer(name)
            layer = self._layers.setdefault(name, Layer(name))
            self._live = self._live or _start_drawing(self._stream, self._frame)
            return layer

    def _part(self) -> None:
        """When one image is through, the next one begins below what was said last."""
        with self._lock:
            if all(layer.is_complete for layer in self._layers.values()):
                self._finish()

    def _finish(self) -> None:
        """Draw the layers a last time and leave them there, the cursor below and visible again."""
        if self._live:
            live, self._live = self._live, None
            below, self._below = self._below, []
            live.stop()
            self._layers = {}
            say("".join(f"{line}\n" for line in below), file=self._stream, end="")

    def _frame(self) -> Text:
        """What is to be seen now.  Layers at rest give way when the terminal is too low for all of them."""
        from rich.text import Text

        columns, rows = picture.size(self._stream)
        layers, below = list(self._layers.values()), list(self._below)
        room = rows - len(below) - 2
        if self._live and len(layers) > room:
            complete = sum(layer.is_complete for layer in layers)
            below.insert(0, f"{complete} of {len(layers)} layers are complete")
            layers = [layer for layer in layers if layer.is_moving][: max(room, 1)]
        now = time.monotonic()
        parts = [(line(layer, columns - 1, now) + "\n", layer.style) for layer in layers]
        parts += [(f"{text[: columns - 1]}\n", "") for text in below]
        return Text.assemble(*parts, no_wrap=True, overflow="crop", end="")


def _start_drawing(stream: TextIO, frame: Callable[[], Text]) -> Live:
    from rich.console import Console
    from rich.live import Live

    # The frames are cut to the terminal's size, and rich is not to cut them a second time, to what it believes that is.
    console = Console(file=stream, force_terminal=True, width=_NO_LIMIT, height=_NO_LIMIT)
    live = Live(
        console=console,
        get_renderable=frame,
        refresh_per_second=_FRAMES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        live.start()
    except RuntimeError:  # no thread to draw with; the cursor is hidden already
        console.show_cursor(True)
        raise none_left("threads") from None
    return live
