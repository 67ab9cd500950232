"""Another distribution: Alpine's musl, busybox and apk in a container of minirun."""

import pytest


@pytest.fixture
def inside(minirun, alpine):
    """inside("apk", "info") -> Result of the command in Alpine, without a network."""
    return lambda *words: minirun("run", "--rm", "--network", "none", alpine, *words)


def test_its_programs_are_linked_with_musl(inside):
    assert "musl libc" in inside("sh", "-c", "/lib/ld-musl-*.so.1 2>&1 | head -1").stdout
    assert inside("curl", "--version").stdout.startswith("curl ")


def test_its_package_database_is_whole(inside):
    assert {"musl", "busybox", "apk-tools"} <= set(inside("apk", "--no-network", "info", "-q").stdout.split())
    assert inside("apk", "--no-network", "info", "--who-owns", "/bin/busybox").stdout.startswith(
        "/bin/busybox is owned by busybox-"
    )
    assert inside("apk", "--no-network", "audit", "--system").code == 0


def test_its_users_are_found(minirun, alpine):
    words = ["run", "--rm", "--network", "none", "-u", "quicksand", alpine]
    assert minirun(*words, "id", "-un").stdout == "quicksand\n"
    assert minirun(*words, "sh", "-c", "cd; pwd").stdout == "/home/quicksand\n"


def test_users_are_added_as_its_dockerfiles_do(inside):
    script = "addgroup -S app && adduser -S -G app app && su -s /bin/sh app -c id"
    assert "(app)" in inside("sh", "-c", script).stdout


def test_an_image_is_built_on_it(minirun, alpine, tmp_path):
    (tmp_path / "hello.sh").write_text("#!/bin/sh\nid -un\n")
    (tmp_path / "Dockerfile").write_text(f"""FROM {alpine}
RUN addgroup -S app && adduser -S -G app app && apk --no-network info -e musl
COPY --chown=app:app --chmod=700 hello.sh /home/app/
USER app
CMD ["/home/app/hello.sh"]
""")
    minirun("build", "--network", "none", "-t", "on-alpine", tmp_path, check=True)
    assert minirun("run", "--rm", "--network", "none", "on-alpine").stdout == "app\n"
