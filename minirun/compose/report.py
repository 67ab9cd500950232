"""What Compose tells while it works.  This base is silent; those in cli/compose/ show lines or a picture.

A resource is named as Docker names it: `Network p_default`, `Volume p_data`, `Container p-db-1`, `Image busybox`,
`Service web`.  May be called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.image.progress import Progress as Pull

if TYPE_CHECKING:
    from minirun.build.progress import Progress as Build


class Report:
    """News of resources, each at one thing at a time."""

    dry_run = False  # everything is told, and nothing is done

    def expect(self, resources: list[str]) -> None:
        """These will be told of: a terminal shows how many there are."""

    def working(self, resource: str, text: str) -> None:
        """`Creating`, `Starting`, `Waiting`, `Stopping`, `Removing`, `Pulling`, `Building`."""

    def done(self, resource: str, text: str) -> None:
        """`Created`, `Started`, `Healthy`, `Running`, `Stopped`, `Removed`, `Pulled`, `Built`."""

    def warn(self, resource: str, text: str) -> None:
        """It was not done, and that is no failure: `Resource is still in use`."""

    def failed(self, resource: str, text: str) -> None:
        """It went wrong; what is raised afterwards says it in full."""

    def say(self, text: str) -> None:
        """A sentence about the whole, a warning mostly."""

    def pull(self, resource: str) -> Pull:
        """What hears of the pull of an image."""
        return Pull()

    def build(self, resource: str) -> Build:
        """What hears of a build."""
        from minirun.build.progress import Progress

        return Progress()
