"""With SOURCE_DATE_EPOCH the same input is the same image, wherever and whenever it is built."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Minirun

DOCKERFILE = """FROM busybox AS one
WORKDIR /one
COPY . .
RUN mkdir made && echo 1 > made/file && rm -f /etc/group
FROM busybox AS two
RUN sleep 0.3; mkdir -p /two && echo 2 > /two/file && ln /two/file /two/same
FROM busybox
COPY --from=one /one /one
COPY --from=two --chown=5:6 /two /two
COPY --link <<EOF script /srv/
text
EOF
ENV A=1
ENTRYPOINT ["/one/script"]
"""
EPOCH = 1_700_000_000  # 2023-11-14T22:13:20Z

Checkout = Callable[[str], Path]


@pytest.fixture
def elsewhere(tmp_path: Path, busybox_tar: Path) -> Minirun:
    """Another machine: a root of its own, with nothing in it but the base."""
    made = Minirun(tmp_path / "root", tmp_path / "state")
    made("load", "-i", busybox_tar, check=True)
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """checkout("name") makes the same files anew, at this time; "b" in another order."""

    def checkout(name: str) -> Path:
        context = tmp_path / name
        (context / "d/e").mkdir(parents=True)
        files = {"Dockerfile": DOCKERFILE, "script": "#!/bin/sh\n", "d/e/f": "f", "d/g": "g"}
        for path, text in sorted(files.items(), reverse=name == "b"):
            (context / path).write_text(text)
        (context / "script").chmod(0o755)
        (context / "d/link").symlink_to("g")
        return context

    return checkout


def built(minirun: Minirun, context: Path, *words: str, epoch: int | None = EPOCH) -> str:
    """The image's id."""
    arguments = ["--build-arg", f"SOURCE_DATE_EPOCH={epoch}"] if epoch is not None else []
    return minirun("build", "-q", "--network", "none", *arguments, *words, context, check=True).stdout.strip()


def test_on_another_machine_at_another_time_it_is_the_same_image(
    minirun: Minirun, elsewhere: Minirun, checkout: Checkout
) -> None:
    first = built(minirun, checkout("a"))
    time.sleep(1.1)
    assert built(elsewhere, checkout("b")) == first


def test_in_another_order_of_building_it_is_the_same_image(
    minirun: Minirun, elsewhere: Minirun, checkout: Checkout
) -> None:
    context = checkout("a")
    first = built(minirun, context)
    built(elsewhere, context, "--target", "two")
    assert built(elsewhere, context) == first
    assert built(elsewhere, context, "--no-cache") == first


def test_all_times_are_the_epoch_or_older(minirun: Minirun, checkout: Checkout) -> None:
    image = built(minirun, checkout("a"), "-t", "dated")
    created = minirun("image", "inspect", "-f", "{{.Created}}", image, check=True).stdout.strip()
    assert created == "2023-11-14T22:13:20Z"
    show = "find /one /two /srv -print0 | xargs -0 stat -c '%Y %n'"
    words = ("--rm", "--network", "none", "--entrypoint", "sh", "dated", "-c", show)
    times = [int(line.split()[0]) for line in minirun("run", *words, check=True).stdout.splitlines()]
    assert max(times) == EPOCH
    minirun("rmi", "-f", "dated", check=True)


def test_without_an_epoch_an_unchanged_build_is_the_same_image(minirun: Minirun, checkout: Checkout) -> None:
    context = checkout("a")
    first = built(minirun, context, epoch=None)
    os.utime(context / "script")
    assert built(minirun, context, epoch=None) == first
    assert built(minirun, context, "--no-cache", epoch=None) != first
