"""`develop.watch`: which change asks for what, and which changes are seen at all."""

import os
from pathlib import Path
from typing import Any

import pytest

from minirun.compose import watching_rules
from minirun.compose.watching_files import Files
from minirun.compose.watching_rules import Batch, Rule
from minirun.errors import UsageError
from tests.compose_projects import project, service


def rules(*given: dict[str, Any], **keys: Any) -> list[Rule]:
    found, _ = watching_rules.rules_of(project({"web": service(develop={"watch": list(given)}, **keys)}))
    return found


def sync(path: str = "/src", **others: Any) -> dict[str, Any]:
    return {"path": path, "action": "sync", "target": "/app", **others}


def batch(given: dict[str, Any], *changed: str, **keys: Any) -> Batch:
    return watching_rules.batch(rules(given, **keys), changed)


# ---- a change asks for ----


def test_a_file_below_the_path_is_copied_below_the_target() -> None:
    assert batch(sync(), "/src/a/b.py").sync == {"web": [("/src/a/b.py", "/app/a/b.py")]}


def test_a_path_that_is_a_file_is_copied_to_the_target_itself() -> None:
    assert batch(sync("/src/x", target="/etc/y"), "/src/x").sync == {"web": [("/src/x", "/etc/y")]}


def test_what_is_beside_the_path_is_nobodys_business() -> None:
    assert batch(sync(), "/srcs/a", "/other").sync == {}


def test_rebuild_is_asked_for_once_for_all_changes() -> None:
    found = batch({"path": "/src", "action": "rebuild"}, "/src/a", "/src/b", build={"context": "/none"})
    assert (found.rebuild, found.sync) == (["web"], {})


def test_restart_copies_nothing() -> None:
    found = batch({"path": "/src", "action": "restart"}, "/src/a")
    assert (found.restart, found.sync) == (["web"], {})


def test_sync_and_restart_does_both() -> None:
    found = batch(sync(action="sync+restart"), "/src/a")
    assert (found.restart, list(found.sync)) == (["web"], ["web"])


def test_sync_and_exec_runs_its_program_once() -> None:
    found = batch(sync(action="sync+exec", exec={"command": ["reload"]}), "/src/a", "/src/b")
    assert [rule.hook for rule in found.execute] == [{"command": ["reload"]}]


def test_a_file_may_be_the_business_of_several_rules() -> None:
    found = watching_rules.batch(
        rules(sync(), {"path": "/src/package.json", "action": "restart"}), ["/src/package.json"]
    )
    assert (list(found.sync), found.restart) == (["web"], ["web"])


# ---- what is left out ----


@pytest.mark.parametrize(
    "path",
    [
        "/src/node_modules/x/y.js",
        "/src/a.log",
        "/src/.git/HEAD",
        "/src/.a.py.swp",
        "/src/a.py~",
        "/src/.idea/x",
    ],
)
def test_what_is_ignored_is_not_copied(path: str) -> None:
    assert batch(sync(ignore=["node_modules/", "*.log"]), path).sync == {}


def test_an_exception_is_copied() -> None:
    found = batch(sync(ignore=["*.log", "!keep.log"]), "/src/keep.log", "/src/other.log")
    assert found.sync == {"web": [("/src/keep.log", "/app/keep.log")]}


def test_only_what_is_included_is_copied() -> None:
    found = batch(sync(include=["**/*.py"]), "/src/a/b.py", "/src/a/b.css")
    assert found.sync == {"web": [("/src/a/b.py", "/app/a/b.py")]}


def test_what_the_build_does_not_see_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("secret\n")
    found = batch(
        sync(f"{tmp_path}"), f"{tmp_path}/secret", f"{tmp_path}/a", build={"context": str(tmp_path)}
    )
    assert found.sync == {"web": [(f"{tmp_path}/a", "/app/a")]}


def test_a_directory_that_is_ignored_is_not_even_watched() -> None:
    (rule,) = rules(sync(ignore=["node_modules/"]))
    assert rule.is_blind_to("/src/node_modules")
    assert not rule.is_blind_to("/src/other")


def test_a_directory_with_an_exception_is_watched() -> None:
    (rule,) = rules(sync(ignore=["dist", "!dist/keep"]))
    assert not rule.is_blind_to("/src/dist")


def test_a_path_that_is_bind_mounted_is_not_watched() -> None:
    mount = {"type": "bind", "source": "/src", "target": "/app"}
    wanted = project({"web": service(develop={"watch": [sync("/src/a")]}, volumes=[mount])})
    found, warnings = watching_rules.rules_of(wanted)
    assert found == []
    assert "'/src/a' also declared by a bind mount" in warnings[0]


def test_what_makes_the_image_is_not_copied_at_first(tmp_path: Path) -> None:
    for name in ("Dockerfile", "compose.yaml", "app.py"):
        (tmp_path / name).touch()
    found = watching_rules.at_first(rules(sync(str(tmp_path), initial_sync=True)))
    assert found == {"web": [(f"{tmp_path}/app.py", "/app/app.py")]}


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"path": "/src", "action": "rebuild"},
            'can\'t watch service "web" with action rebuild without a build',
        ),
        (sync(action="sync+exec"), "without a command"),
        ({"path": "/src", "action": "sync"}, "has no target"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rules(given)


def test_a_project_without_rules_is_refused() -> None:
    with pytest.raises(UsageError, match="none of the selected services is configured for watch"):
        watching_rules.rules_of(project({"web": service()}))


# ---- which files have changed ----


def heard(watched: Files) -> set[str]:
    return set(watched.read())


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "src" / "old").mkdir(parents=True)
    return tmp_path / "src"


def test_files_that_come_change_and_go_are_told(top: Path) -> None:
    (top / "gone").touch()
    watched = Files([str(top)], lambda _: False)
    (top / "new").touch()
    (top / "old" / "deep").write_text("x")
    (top / "gone").unlink()
    assert heard(watched) == {f"{top}/new", f"{top}/old/deep", f"{top}/gone"}
    watched.close()


def test_what_is_in_a_new_directory_is_told_then_and_later(top: Path) -> None:
    watched = Files([str(top)], lambda _: False)
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "first").touch()
    assert f"{top}/a/b/first" in heard(watched)
    (top / "a" / "b" / "second").touch()
    assert heard(watched) == {f"{top}/a/b/second"}
    watched.close()


def test_a_directory_has_its_new_name_after_a_move(top: Path) -> None:
    watched = Files([str(top)], lambda _: False)
    (top / "old").rename(top / "new")
    heard(watched)
    (top / "new" / "file").touch()
    assert heard(watched) == {f"{top}/new/file"}
    watched.close()


def test_a_file_is_watched_though_editors_put_another_in_its_place(top: Path) -> None:
    file = top / "conf"
    file.touch()
    watched = Files([str(file)], lambda _: False)
    (top / "other").touch()
    os.replace(top / "other", file)
    assert heard(watched) == {str(file)}
    watched.close()


def test_what_is_not_there_yet_is_noticed_when_it_comes(top: Path) -> None:
    watched = Files([f"{top}/later/still"], lambda _: False)
    (top / "later").mkdir()
    heard(watched)
    (top / "later" / "still").mkdir()
    heard(watched)
    (top / "later" / "still" / "file").touch()
    assert heard(watched) == {f"{top}/later/still/file"}
    watched.close()


def test_what_is_left_out_is_not_told(top: Path) -> None:
    watched = Files([str(top)], lambda path: path.endswith("/old"))
    (top / "old" / "file").touch()
    assert heard(watched) == set()
    watched.close()


def test_after_the_kernel_had_no_room_for_all_everything_is_told(top: Path) -> None:
    watched = Files([str(top)], lambda _: False)
    (top / "old" / "file").touch()
    heard(watched)
    watched._changes.overflowed = True
    assert heard(watched) == {f"{top}/old", f"{top}/old/file"}
    assert heard(watched) == set()
    watched.close()
