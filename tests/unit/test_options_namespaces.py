"""`--pid`, `--ipc`, `--uts`, `--cgroupns`: which words there are, and what goes together."""

import pytest

from minirun.engine.options import namespaces, run_options
from minirun.errors import UsageError


def test_what_is_its_own_is_not_named():
    assert namespaces.all_of(pid="private", ipc="private", uts="", cgroupns="private") == {}


def test_each_kind_is_called_as_in_config_json():
    made = namespaces.all_of(pid="container:db", ipc="shareable", uts="host", cgroupns="host")
    assert made == {"pid": "container:db", "ipc": "shareable", "uts": "host", "cgroup": "host"}


@pytest.mark.parametrize(
    ("option", "mode"),
    [
        ("pid", "x"),
        ("pid", "container:"),
        ("pid", "container"),
        ("pid", "none"),
        ("ipc", "HOST"),
        ("uts", "container:db"),
        ("cgroupns", "none"),
    ],
)
def test_a_word_that_there_is_not_is_quoted(option, mode):
    with pytest.raises(UsageError, match=rf'--{option}: invalid \w+ mode: "{mode}"'):
        namespaces.all_of(**{option: mode})


@pytest.mark.parametrize(
    ("modes", "more", "sentence"),
    [
        ({"uts": "host"}, {"hostname": "x"}, "conflicting options: hostname and the UTS mode"),
        ({"uts": "host"}, {"domainname": "x"}, "conflicting options: domainname and the UTS mode"),
        ({"ipc": "host"}, {"sysctls": {"kernel.msgmax": "1"}}, "not allowed with --ipc host"),
        ({"uts": "host"}, {"sysctls": {"kernel.domainname": "x"}}, "not allowed with --uts host"),
        ({"ipc": "here"}, {}, 'invalid IPC mode: "here"'),
        ({"user": "host"}, {}, "there is no option namespaces.user"),
    ],
)
def test_what_would_change_the_host_is_refused(modes, more, sentence):
    with pytest.raises(UsageError, match=sentence):
        run_options.check({**run_options.defaults("busybox"), "namespaces": modes, **more})
