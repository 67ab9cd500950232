"""Options that Docker has and minirun has not: each says why."""

import pytest

from minirun.cli import networks, run
from minirun.errors import UnsupportedError


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gpus", "all"], "--gpus all is not in minirun: no device driver"),
        (["--runtime", "runc"], "--runtime runc is not in minirun: the runtime is minirun's own"),
        (["--userns", "auto"], "--userns auto is not in minirun"),
        (["--use-api-socket"], "--use-api-socket is not in minirun: there is no daemon"),
        (["--volume-driver=nfs"], "--volume-driver nfs is not in minirun: local"),
    ],
)
def test_the_reason_is_told(words, sentence):
    with pytest.raises(UnsupportedError, match=sentence):
        run.run_command.make_context("run", [*words, "busybox"])


def test_what_is_so_anyway_is_no_error():
    words = ["--runtime", "minirun-oci", "--userns", "host", "--volume-driver", "local"]
    assert run.run_command.make_context("run", [*words, "busybox"]).params["image"] == "busybox"


def test_they_are_no_part_of_the_help():
    ctx = run.run_command.make_context("run", ["busybox"])
    assert "--gpus" not in run.run_command.get_help(ctx)


def test_an_address_of_the_link_is_not_given_to_a_container():
    with pytest.raises(UnsupportedError, match="the addresses of its networks alone"):
        networks.connect_command.make_context("connect", ["--link-local-ip", "169.254.1.1", "town", "one"])
