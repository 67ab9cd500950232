"""`compose build` of services: text in place of a Dockerfile, secrets that no file has, another service's image."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import Minirun, Result

Compose = Callable[..., Result]


@pytest.fixture
def compose(minirun: Minirun, tmp_path: Path) -> Iterator[Compose]:
    """compose("build") -> Result, of the compose.yaml in tmp_path; its images go with the test."""

    def call(*words: str) -> Result:
        return minirun("compose", "--project-directory", tmp_path, *words)

    yield call
    call("down", "--rmi", "local")


def test_a_dockerfile_in_the_file_with_a_secret_and_an_argument(
    compose: Compose, minirun: Minirun, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TOKEN=t0k3n\n")
    (tmp_path / "compose.yaml").write_text("""
name: inline
secrets: {token: {environment: TOKEN}}
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
        ARG WORD
        RUN --mount=type=secret,id=token echo $$WORD $$(cat /run/secrets/token) > /built
      args: {WORD: hello}
      secrets: [token]
      labels: {mine: "yes"}
""")
    assert compose("build").code == 0
    assert minirun("run", "--rm", "inline-web", "cat", "/built", check=True).stdout == "hello t0k3n\n"
    template = '{{index .Config.Labels "com.docker.compose.service"}} {{.Config.Labels.mine}}'
    assert minirun("image", "inspect", "-f", template, "inline-web", check=True).stdout == "web yes\n"


def test_another_services_image_and_a_directory_as_contexts(
    compose: Compose, minirun: Minirun, tmp_path: Path
) -> None:
    for name, text in (
        ("base", "FROM busybox\nRUN echo base > /base\n"),
        ("web", "FROM base\nCOPY --from=files file /file\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file").write_text("file\n")
    (tmp_path / "compose.yaml").write_text("""
name: chain
services:
  web: {build: {context: web, additional_contexts: {base: "service:base", files: ./files}}}
  base: {build: base}
""")
    assert compose("build").code == 0
    assert minirun("run", "--rm", "chain-web", "cat", "/base", "/file", check=True).stdout == "base\nfile\n"
