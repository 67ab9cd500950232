"""What a pull or a push tells, as parts of a vertex, while the display goes on."""

import threading
import time

import pytest

from minirun.build.image_parts import ImageParts
from minirun.build.progress import Progress, Vertex
from minirun.errors import MinirunError


class Seen(Progress):
    """Counts how often it could be drawn; and by whom it was told of what."""

    def __init__(self) -> None:
        super().__init__()
        self.idles = 0
        self.told: list[tuple[str, int, int, bool]] = []

    def idle(self) -> None:
        self.idles += 1

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        self.told.append((name, done, total, completed))


@pytest.fixture
def progress() -> Seen:
    return Seen()


@pytest.fixture
def parts(progress: Seen) -> ImageParts:
    return ImageParts(progress, Vertex("exporting to image"))


def test_layers_are_parts(parts: ImageParts, progress: Seen) -> None:
    parts.layer("aaaaaaaaaaaa", "Preparing")
    parts.advance("aaaaaaaaaaaa", "Pushing", 1, 2)
    parts.layer("aaaaaaaaaaaa", "Pushed")
    parts.say("latest: digest: sha256:1")
    assert progress.told == [
        ("aaaaaaaaaaaa", 1, 2, False),
        ("aaaaaaaaaaaa", 0, 0, True),
        ("latest: digest: sha256:1", 0, 0, True),
    ]


def test_the_display_goes_on_while_a_registry_is_waited_for(parts: ImageParts, progress: Seen) -> None:
    assert parts.watch(lambda: time.sleep(0.5) or 7) == 7  # type: ignore[func-returns-value]
    assert 3 <= progress.idles <= 7


def test_what_goes_wrong_there_goes_wrong_here(parts: ImageParts) -> None:
    def work() -> None:
        raise MinirunError("no route to host")

    with pytest.raises(MinirunError, match="no route to host"):
        parts.watch(work)


def test_no_thread_is_left(parts: ImageParts) -> None:
    before = threading.active_count()
    parts.watch(lambda: None)
    assert threading.active_count() == before
