"""The narration: folding, wrapping, headings, short names."""

import io
import itertools

import pytest

from minirun.paths import Paths
from minirun.teach.events import Act, Step
from minirun.teach.names import Names
from minirun.teach.narrate import WIDTH, Narrator, fold, wrap

ID = "0123456789abcdef" * 4
numbers = itertools.count(1)


def act(
    call: str, *args: object, phase: str = "overlay", role: str = "shim", why: str = "because", errno: int = 0
) -> Act:
    return Act(
        next(numbers),
        0.0,
        {"shim": 11, "net": 12, "init": 13}[role],
        role,
        phase,
        call,
        list(args),
        0,
        errno,
        why,
    )


def step(name: str, role: str = "shim", why: str = "a reason", stopped: bool = False) -> Step:
    return Step(next(numbers), 0.0, {"shim": 11, "net": 12, "init": 13}[role], role, name, why, stopped)


def narrated(*events: Act | Step, colour: bool = False) -> str:
    out = io.StringIO()
    narrator = Narrator(out, Names(Paths("/root", "/run")), "minirun run x", colour)
    for event in events:
        narrator.notify(event)
    narrator.finish()
    return out.getvalue()


FOLDS = [
    (["a"], ["a"]),
    (["capsh --drop=cap_a", "capsh --drop=cap_b"], ["capsh --drop=cap_a,cap_b"]),
    (["mkdir $R/a/x", "mkdir $R/a/y"], ["for x in x y; do mkdir $R/a/$x; done"]),
    (
        ["mknod -m 666 /d/a c 1 3", "mknod -m 666 /d/b c 1 5"],
        ["for x in 'a c 1 3' 'b c 1 5'; do mknod -m 666 /d/$x; done"],
    ),
    (["mount --bind /dev/null $R/p", "umount $R/p"], ["mount --bind /dev/null $R/p", "umount $R/p"]),
    (["ln -s a $R/a", "ln -s b $R/b"], ["ln -s a $R/a", "ln -s b $R/b"]),
    (["same", "same", "same"], ["same   # 3 times"]),
]


@pytest.mark.parametrize(("commands", "folded"), FOLDS)
def test_folding(commands, folded):
    assert fold(commands) == folded


def test_a_short_command_is_one_line():
    assert wrap("mount -t proc proc $R/proc", 80) == ["mount -t proc proc $R/proc"]


def test_a_long_command_is_broken_at_a_blank_with_a_backslash():
    assert wrap("mount " + "a" * 20 + " " + "b" * 20, 30) == ["mount " + "a" * 20 + " \\", "    " + "b" * 20]


def test_a_quoted_word_is_not_broken():
    lines = wrap(f"echo {'a' * 20} 'b c d e f g h'", 30)
    assert lines[1] == "    'b c d e f g h'"


def test_a_heading_names_role_step_and_pid():
    text = narrated(step("overlay"), act("mkdir", "/x", 0o755))
    heading = next(line for line in text.splitlines() if "── overlay ─" in line)
    assert heading.startswith("shim ── overlay ─")
    assert heading.endswith(" pid 11 ──")
    assert len(heading) == WIDTH


def test_an_act_has_its_command_page_and_reason():
    lines = narrated(step("overlay"), act("mkdir", "/x", 0o755)).splitlines()
    assert lines[-2].split() == ["mkdir", "/x", "mkdir(2)"]
    assert lines[-1].strip() == "because"


def test_a_step_without_an_act_is_told_all_the_same():
    text = narrated(
        step("bundle", why="nothing to see"), step("create"), act("mkdir", "/x", 0o755, phase="create")
    )
    assert "── bundle ─" in text
    assert "No kernel state changes in this step" in text


def test_what_happens_beside_the_shim_is_told_in_one_piece():
    text = narrated(
        *(step("network", "net"), act("mkdir", "/n1", 0, phase="network", role="net")),
        *(step("overlay"), act("mkdir", "/s1", 0)),
        *(act("mkdir", "/n2", 0, phase="network", role="net"), act("mkdir", "/s2", 0)),
        step("bundle"),
    )
    order = [line.split()[1] for line in text.splitlines() if "mkdir " in line or "for x" in line]
    assert text.count("── network ─") == 1
    assert text.index("── overlay ─") < text.index("── network ─")
    assert order


def test_coming_back_to_a_step_says_so():
    text = narrated(
        *(step("fork"), act("unshare", 0x20000000, phase="fork")),
        *(step("await_placement", "init"), act("prctl", 4, 0, 0, phase="await_placement", role="init")),
        act("write", "/x", "1", phase="fork"),
    )
    assert "── fork, continued ─" in text


def test_a_call_that_was_refused_says_why():
    assert "refused: Permission denied (EACCES)" in narrated(act("mkdir", "/x", 0, errno=13))


def test_colour_only_when_asked_for():
    made = act("mkdir", "/x", 0o755)
    assert "\033[" not in narrated(made)
    assert "\033[1m" in narrated(made, colour=True)


def test_long_paths_get_short_names_that_are_defined_first():
    text = narrated(act("mkdir", f"/root/containers/{ID}/upper", 0o755))
    assert "mkdir $C/upper" in text
    assert text.index("C=/root/containers/$ID") < text.index("mkdir $C/upper")


def test_layers_are_cut_to_twelve_digits():
    names = Names(Paths("/root", "/run"))
    names.learn(f"/root/containers/{ID}/merged")
    assert names.shorten("lowerdir=/root/layers/" + "ab" * 32) == "lowerdir=$L/abababababab…"


def test_a_layer_is_not_taken_for_the_container():
    names = Names(Paths("/root", "/run"))
    assert not names.learn("/root/layers/" + "ab" * 32)
