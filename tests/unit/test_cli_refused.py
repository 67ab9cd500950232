"""Commands and flags that Docker has and minirun has not: each says why."""

import click
import pytest

from minirun.cli import commands, refused_options, run
from minirun.engine import networks
from minirun.errors import UnsupportedError
from tests import docker_options
from tests.support import CHECKOUT

OURS = docker_options.ours()
DOCKERS = docker_options.of_list()


def said(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> str:
    """What `minirun WORDS` says to standard error, ending with `code`."""
    monkeypatch.setattr("sys.argv", ["minirun", *words])
    monkeypatch.setattr("os.geteuid", lambda: 1)  # no directory is made
    assert commands.call(None) == code
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("run --gpus all busybox", "--gpus is not in minirun: no device driver is known here"),
        ("container create --gpus=all busybox", "--gpus is not in minirun: no device driver"),
        ("run --use-api-socket busybox", "--use-api-socket is not in minirun: there is no daemon"),
        ("volume create --sharing all x", "--sharing is not in minirun: it is for volumes of a swarm"),
        ("update --kernel-memory=8m x", "--kernel-memory is not in minirun: kernels since 5.16"),
        ("build --cgroup-parent x .", "--cgroup-parent is not in minirun: the control groups of a build"),
        ("buildx build --security-opt seccomp=unconfined .", "a step is let more by name: RUN --security"),
        ("-H tcp://x ps", "-H is not in minirun: there is no daemon"),
        ("--context=far ps", "--context is not in minirun: there is no daemon"),
        ("network create --ingress x", "--ingress is not in minirun: it is for networks of a swarm"),
        ("container start --checkpoint a x", "--checkpoint is not in minirun: processes"),
        ("swarm init --autolock", "swarm is not in minirun: a swarm is several machines"),
        ("trust sign nginx", "trust is not in minirun: signatures of images"),
        ("volume update x", "volume update is not in minirun: it is for volumes of a swarm"),
        ("buildx bake", "buildx bake is not in minirun: `minirun compose build`"),
    ],
)
def test_the_reason_is_told(words, sentence, monkeypatch, capsys):
    code = 125 if words.removeprefix("container ").split()[0] in ("run", "create", "start") else 1
    told = said(words.split(), monkeypatch, capsys, code)
    assert sentence in told
    assert told.startswith("minirun: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize("words", ["--volume-driver=nfs", "--userns=auto", "--isolation=hyperv"])
def test_what_is_not_so_is_refused(words):
    with pytest.raises(UnsupportedError, match=f"{words} is not in minirun: "):
        run.run_command.make_context("run", [words, "busybox"])


@pytest.mark.parametrize(
    "words",
    [
        "network create --ipv4=false x",
        "network create --scope=global x",
        "network create --ipam-driver=mine x",
        "image pull --disable-content-trust=false x",
        "buildx ls --no-trunc=false",
        "buildx prune --builder=mine",
        "buildx --builder=mine ls",
    ],
)
def test_of_other_commands_too(words, monkeypatch, capsys):
    (flag,) = (word for word in words.split() if word.startswith("--"))
    assert said(words.split(), monkeypatch, capsys, code=1).startswith(f"minirun: {flag} is not in minirun: ")


@pytest.mark.parametrize(
    "words",
    [
        *("buildx inspect --bootstrap x", "load -q", "network disconnect --force x y", "rmi --no-prune x"),
        *("network inspect -v x", "network create --ipv4 --scope local --ipam-driver default x"),
    ],
)
def test_what_changes_nothing_is_taken(words):
    path, dash, rest = words.partition(" -")
    command = dict(docker_options.commands_of())[path]
    with command.make_context(path, (dash.strip() + rest).split()) as ctx:
        assert not {"bootstrap", "quiet", "no_prune", "verbose", "ipv4", "scope"} & ctx.params.keys()


def test_what_is_so_anyway_is_no_error():
    words = ["--runtime", "minirun-oci", "--userns", "host", "--volume-driver", "local"]
    words += ["--disable-content-trust", "--isolation=default", "busybox"]
    assert run.run_command.make_context("run", words).params["image"] == "busybox"


def test_they_are_no_part_of_the_help():
    ctx = run.run_command.make_context("run", ["busybox"])
    assert not {"--gpus", "--userns"} & set(run.run_command.get_help(ctx).split())


@pytest.mark.parametrize("words", ["container list", "container ps", "image remove x", "network list"])
def test_a_command_may_be_called_by_its_other_name(words, monkeypatch, capsys):
    assert f"Usage: minirun {words.split()[0]} " in said([*words.split(), "--nosuch"], monkeypatch, capsys, 2)


@pytest.mark.parametrize("words", ["", "network", "network create", "run"])
def test_help_is_a_command_too(words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["minirun", "help", *words.split()])
    assert commands.call(None) == 0
    assert capsys.readouterr().out.startswith(f"Usage: minirun {words}".rstrip() + " [OPTIONS]")


@pytest.mark.parametrize(
    ("words", "guess"),
    [("pul", ' Did you mean "pull"?'), ("network lss", ' Did you mean "ls"?'), ("frobnicate", "")],
)
def test_a_misspelt_command_is_guessed(words, guess, monkeypatch, capsys):
    told = said(words.split(), monkeypatch, capsys, code=2)
    assert told.endswith(f'No such command "{words.split()[-1]}".{guess}\n')


@pytest.mark.parametrize("words", ["", "container", "network", "image"])
def test_a_group_alone_is_its_help(words, monkeypatch, capsys):
    told = said(words.split(), monkeypatch, capsys, code=0)
    assert told.startswith(f"Usage: minirun {words}".rstrip() + " [OPTIONS] COMMAND")
    assert (told.count("Usage:"), "Error" in told) == (1, False)


def test_what_is_no_flag_of_dockers_is_an_unknown_one(monkeypatch, capsys):
    assert "No such option '--nosuch'" in said(["ps", "--nosuch"], monkeypatch, capsys, code=2)


# ---- all that Docker has --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", DOCKERS)
def test_each_flag_is_here_or_has_a_reason(command):
    group, _, name = command.rpartition(" ")
    if command not in OURS:
        assert refused_options.command(group, name), "neither a command of ours nor refused with a reason"
        return
    known_as = refused_options.short(command)
    reasons = {flag: refused_options.flag(command, flag) for flag in DOCKERS[command]}
    without = {
        flag
        for flag, reason in reasons.items()
        if not reason and (known_as, flag) not in docker_options.NOT_YET
    }
    assert without <= OURS[command]
    assert not {flag for flag in OURS[command] if reasons.get(flag)}, "refused, and there"


def test_what_is_refused_are_words_of_dockers():
    """So that a reason goes when its flag comes, and none is misspelt."""
    later = {"--kubeconfig", "--kernel-memory", "--policy"}  # of 20.10 alone, or of a newer buildx
    for names, flags, _ in refused_options.MISSING_FLAGS:
        for command in names.split(", "):
            assert set(flags.split()) - later <= DOCKERS[command.replace("minirun", "")]


def test_what_is_refused_is_in_the_table_for_people():
    page = (CHECKOUT / "docs" / "differences.md").read_text()
    for group, names, reason in refused_options.MISSING_COMMANDS:
        words = ", ".join(f"`{group} {name}`".replace("` ", "`") for name in names.split())
        assert f"| {words} | {reason} |" in page
    for names, flags, reason in refused_options.MISSING_FLAGS:
        words = ", ".join(f"`{flag}`" for flag in flags.split())
        assert f"| {names} | {words} | {reason} |" in page
    for driver, reason in networks.MISSING_DRIVERS.items():
        assert f"| `{driver}` | {reason} |" in page
    for name, (accepted, reason) in refused_options.AS_IT_IS.items():
        words = ", ".join(f"`{value}`" for value in accepted if value)
        assert f"| `{name}` | {words} | {reason} |" in page
    for names, flags, reason in refused_options.NOTHING_TO_DO:
        words = ", ".join(f"`{flag}`" for flag in flags.split())
        assert f"| {names} | {words} | {reason} |" in page


# ---- what ours do ---------------------------------------------------------------------------------------------


def test_a_flag_does_something_or_is_in_the_table_of_those_that_do_not():
    """Its value is used by the command, as an argument or as one of its words."""
    idle = {
        (path, flag)
        for path, command in docker_options.commands_of()
        if path  # minirun's own are read where the line as a whole is
        for option in command.params
        if isinstance(option, click.Option)
        and not option.callback
        and not docker_options.is_used(command, option)
        for flag in option.opts
    }
    known = {(name, flag) for name, flags, _ in refused_options.NOTHING_TO_DO for flag in flags.split()}
    assert {(refused_options.short(path), flag) for path, flag in idle} == known
