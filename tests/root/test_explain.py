"""`--explain` as text and as JSON: what is told, where, and that nothing goes untold (strace is the witness)."""

import json
import re

import pytest

from tests.support import run

CGROUPS = "/sys/fs/cgroup"
NONE = ("--rm", "--network", "none")

# Options that between them make init do everything it can.
VARIANTS = {
    "none": NONE,
    "bridge": ("--rm", "--name", "told"),
    "user": (*NONE, "-u", "65534:100", "--security-opt", "no-new-privileges", "--ulimit", "nofile=100:200"),
    "read-only": (
        *NONE,
        "--read-only",
        "--tmpfs",
        "/tmp:size=1m",
        "-w",
        "/tmp/new",
        "--cap-add",
        "NET_ADMIN",
    ),
    "privileged": (*NONE, "--privileged"),
    "host": ("--rm", "--network", "host"),
    "terminal": (*NONE, "-t"),
}


def told(minirun, *options: str) -> list[dict]:
    """The events of a run of `true`, as JSON."""
    result = minirun("run", "--explain=json", *options, "busybox", "true", check=True)
    return [json.loads(line) for line in result.stderr.splitlines()]


# ---- nothing goes untold --------------------------------------------------------------------------------------

TRACED = (
    "unshare,setns,mount,umount2,pivot_root,mount_setattr,move_mount,open_tree,fsopen,fsmount,chroot,capset,prctl,"
    "seccomp,bpf,keyctl,sethostname,setdomainname,setuid,setgid,setreuid,setregid,setresuid,setresgid,setgroups,"
    "prlimit64,mkdir,mkdirat,rmdir,unlinkat,write,pwrite64,sendto,sendmsg,ioctl,execve,clone,clone3"
)
# strace knows the types' names except on sockets of another network namespace.  See rtnetlink(7).
REQUESTS = {
    **{"RTM_NEWLINK": ("link", False), "RTM_DELLINK": ("link", True), "RTM_NEWADDR": ("address", False)},
    **{"RTM_NEWROUTE": ("route", False), "0x10": ("link", False), "0x14": ("address", False)},
    **{"0x18": ("route", False), "RTM_NEWNEIGH": ("bridge", False)},
}


def seen_by_strace(directory) -> dict[int, list[tuple]]:
    """{pid: its successful acts, in order} from the files of strace -ff."""
    found = {}
    for file in directory.glob("trace.*"):
        acts: list[tuple] = []
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("execve(") and acts:
                break  # the container's own program: what it does is its own affair
            acts += requests(line) or [act for act in [witnessed(line)] if act]
        if acts:
            found[int(file.suffix[1:])] = acts
    return found


def requests(line: str) -> list[tuple]:
    """The routing requests in one message: there may be several."""
    kinds = re.findall(r"nlmsg_type=(RTM_(?!GET)\w+|0x1\w\b)", line) if line.startswith("send") else []
    return [("netlink", *REQUESTS[kind]) for kind in kinds]


def witnessed(line: str) -> tuple | None:
    """One line of strace as (call, what identifies it); None for what is no act of ours, or failed."""
    match = re.fullmatch(r"(\w+)\((.*)\) += (\S+).*", line)
    if not match or match[3] == "-1":
        return None
    call, rest = match[1], match[2]
    words = rest.split(", ")
    if call == "mount":
        kind, flags = re.search(r", (NULL|\"[^\"]*\"), ([A-Z_|0-9x]+), (?:NULL|\".*)$", rest).groups()
        return call, "" if kind == "NULL" else kind.strip('"'), frozenset(flags.split("|")) - {"0"}
    if call in ("unshare", "umount2"):
        return call, frozenset(words[-1].split("|"))
    if call == "setns":
        return call, words[-1]
    if call == "prctl":
        return prctl(words)
    if call == "seccomp":
        return (call,) if words[0] == "SECCOMP_SET_MODE_FILTER" else None
    if call == "bpf":
        return call, words[0]
    if call == "sethostname":
        return call, words[0].strip('"')
    if call in ("setresuid", "setresgid"):
        return call, words[0]
    if call == "setgroups":
        return call, int(words[0])
    if call == "prlimit64":
        return (call, words[1]) if words[2] != "NULL" else None
    if call in ("mkdir", "mkdirat", "rmdir"):
        path = re.search(r'"(.*?)"', rest)[1]
        return (call.removesuffix("at"), path) if path.startswith(CGROUPS) else None
    if call in ("write", "pwrite64"):
        match = re.fullmatch(rf"\d+<((?:{CGROUPS}|/proc/sys)/[^>]*)>, \"(.*)\", \d+", rest)
        return ("write", match[1], match[2]) if match else None
    if call == "ioctl":
        return ("ioctl",) if "SIOCSIF" in rest else None
    if call in ("clone", "clone3"):
        return ("clone", "CLONE_NEW") if "CLONE_NEW" in rest else None
    if call in ("keyctl", "capset", "pivot_root"):
        return (call,)
    return (call, rest) if call not in ("execve", "unlinkat", "sendto", "sendmsg") else None


def prctl(words: list[str]) -> tuple | None:
    if words[0] == "PR_CAPBSET_DROP":
        return "prctl", words[0], words[1].split()[-1].strip("/* ")
    if words[0] == "PR_CAP_AMBIENT":
        return "prctl", words[0], words[1]
    return ("prctl", words[0]) if words[0].startswith("PR_SET") else None


def announced(event: dict) -> tuple | None:
    """One event in the form of `witnessed`."""
    call, args = event["call"], event["args"]
    if call == "mount":
        return call, args["filesystemtype"] or "", frozenset(args["mountflags"].split("|")) - {"0"}
    if call in ("unshare", "umount2"):
        return call, frozenset(args["flags"].split("|"))
    if call == "setns":
        return call, args["nstype"]
    if call == "prctl":
        second = args["arg2"]
        return (
            (call, args["option"], second) if args["option"].startswith("PR_CAP") else (call, args["option"])
        )
    if call == "bpf":
        return call, args["command"]
    if call == "sethostname":
        return call, args["name"]
    if call in ("setresuid", "setresgid"):
        return call, str(args["ruid" if call == "setresuid" else "rgid"])
    if call == "setgroups":
        return call, len(args["groups"])
    if call == "prlimit64":
        return call, args["resource"]
    if call in ("mkdir", "rmdir"):
        return (call, args["path"]) if args["path"].startswith(CGROUPS) else None
    if call == "write":
        return call, args["path"], args["text"]
    if call == "netlink":
        words = args["request"].split(" ip ")[-1].split()
        what = words[1] if words[0] == "ip" else words[0]
        return call, what, "delete" in words
    if call in ("seccomp", "ioctl", "keyctl", "capset", "pivot_root"):
        return (call,)
    return None


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_act_that_strace_sees_is_told_in_its_order(minirun, tmp_path, variant):
    options = ("run", "--explain=json", *VARIANTS[variant], "busybox", "true")
    trace = (
        "strace",
        "-ff",
        "-y",
        "-s",
        "5000",
        "-e",
        f"trace={TRACED}",
        "-e",
        "signal=none",
        "-o",
        tmp_path / "trace",
    )
    result = run(*trace, *minirun.command(*options), check=True)
    events = [json.loads(line) for line in result.stderr.splitlines()]
    told: dict[int, list[tuple]] = {}
    for event in events:
        if "call" in event and "errno" not in event and (act := announced(event)):
            told.setdefault(event["pid"], []).append(act)
    seen = seen_by_strace(tmp_path)
    assert sorted(seen) == sorted(told)
    for pid, acts in seen.items():
        assert acts == told[pid]


def test_every_call_of_nft_is_told(minirun, tmp_path):
    trace = ("strace", "-f", "-s", "200", "-e", "trace=execve", "-e", "signal=none", "-o", tmp_path / "trace")
    result = run(*trace, *minirun.command("run", "--explain=json", "--rm", "busybox", "true"), check=True)
    executed = [
        line for line in (tmp_path / "trace").read_text().splitlines() if re.search(r'/nft", .* = 0$', line)
    ]
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert len(executed) == len([event for event in events if event.get("call") == "nft"]) > 0


# ---- JSON -----------------------------------------------------------------------------------------------------


def test_json_has_all_that_is_known_of_an_act(minirun):
    event = next(event for event in told(minirun, *NONE) if event.get("call") == "sethostname")
    assert set(event) == {
        *("seq", "time", "phase", "pid", "role", "call", "args", "result", "shell", "man", "why"),
    }
    assert (event["phase"], event["role"], event["man"]) == ("set_names", "init", "sethostname(2)")


def test_json_is_numbered_in_the_order_of_arrival(minirun):
    events = told(minirun, *NONE)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_json_spells_flags_out(minirun):
    event = next(event for event in told(minirun, *NONE) if event.get("call") == "umount2")
    assert event["args"]["flags"] == "MNT_DETACH"


def test_json_tells_both_sides_of_the_fork_apart(minirun):
    pids = {}
    for event in told(minirun, "--rm"):
        pids.setdefault(event["role"], set()).add(event["pid"])
    assert sorted(pids) == ["cli", "init", "net", "shim"]
    assert [len(found) for found in pids.values()] == [1, 1, 1, 1]


def test_json_tells_a_call_that_failed_with_its_errno(minirun):
    command = minirun.command("run", "--explain=json", *NONE, "busybox", "true")
    result = run(*command, env={"MINIRUN_FAULT": "sethostname:1:1"})
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert result.code == 125
    assert [(line["call"], line["errno"]) for line in lines if "errno" in line] == [("sethostname", "EPERM")]


# ---- text -----------------------------------------------------------------------------------------------------


def test_the_programs_output_is_untouched(minirun):
    result = minirun("run", "--explain", *NONE, "busybox", "sh", "-c", "echo out; exit 3")
    assert (result.stdout, result.code) == ("out\n", 3)


def test_the_narration_is_over_before_the_program_speaks(minirun):
    result = minirun("run", "--explain", *NONE, "busybox", "sh", "-c", "echo PROGRAM >&2")
    before, _, after = result.stderr.partition("PROGRAM\n")
    assert "execve(2)" in before
    assert "rmdir $G" in after


def test_the_narration_fits_a_hundred_columns(minirun):
    lines = minirun("run", "--explain", *NONE, "busybox", "true").stderr.splitlines()[1:]
    assert [line for line in lines if len(line) > 100] == []


def test_the_narration_is_plain_where_there_is_no_terminal(minirun):
    assert "\033" not in minirun("run", "--explain", *NONE, "busybox", "true").stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_folding_leaves_no_act_out(minirun, variant):
    """Every word of every command is in the narration, whatever has been folded."""
    shell = [event["shell"] for event in told(minirun, *VARIANTS[variant]) if "call" in event]
    text = minirun("run", "--explain", *VARIANTS[variant], "busybox", "true", check=True).stderr
    present = set(re.findall(r"[\w-]+", text))
    words = {word for command in shell for word in re.findall(r"[\w-]+", command) if not is_of_one_run(word)}
    assert words - present == set()


def is_of_one_run(word: str) -> bool:
    """Ids, pids and what is replaced by a variable."""
    return bool(re.search(r"\d{2}|[0-9a-f]{7}", word)) or word in ("tmp", "pytest-of-root")


def test_a_detached_run_is_told_until_its_program_begins(minirun):
    result = minirun("run", "-d", "--explain", "--network", "none", "busybox", "sleep", "1000", check=True)
    assert re.fullmatch(r"[0-9a-f]{64}\n", result.stdout)
    assert "exec /bin/sleep 1000" in result.stderr


def test_a_failure_is_told_and_the_exit_code_kept(minirun):
    result = minirun("run", "--explain", *NONE, "busybox", "nosuch")
    assert result.code == 127
    assert "find_program" in result.stderr
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr


def test_a_form_that_there_is_not_is_refused(minirun):
    result = minirun("run", "--explain=html", *NONE, "busybox", "true")
    assert result.code == 125
    assert "--explain=html" in result.stderr
