"""`-u` looked up in an image's passwd and group, which may hold anything."""

import pytest

from minirun.engine import users
from minirun.errors import MinirunError

PASSWD = """root:x:0:0:root:/root:/bin/sh
ann:x:1000:100:Ann:/home/ann:/bin/sh
nohome:x:7:7:::
broken:x
evil:x:zero:0::/:
evil:x:5:gid::/:
"""
GROUP = "root:x:0:\nstaff:x:50:ann,bob\nwheel:x:10:bob,ann\nusers:x:100:\nbroken\n"


@pytest.mark.parametrize(
    ("text", "uid", "gid", "groups", "home"),
    [
        ("", 0, 0, [], "/root"),
        ("ann", 1000, 100, [50, 10], "/home/ann"),
        ("1000", 1000, 100, [50, 10], "/home/ann"),
        ("ann:staff", 1000, 50, [], "/home/ann"),
        ("ann:77", 1000, 77, [], "/home/ann"),
        ("4711", 4711, 0, [], "/"),
        ("4711:users", 4711, 100, [], "/"),
        ("nohome", 7, 7, [], "/"),
        ("root:staff", 0, 50, [], "/root"),
        (":staff", 0, 50, [], "/root"),
        (":77", 0, 77, [], "/root"),
        ("ann:", 1000, 100, [50, 10], "/home/ann"),
        (":", 0, 0, [], "/root"),
    ],
)
def test_who_it_is(text, uid, gid, groups, home):
    user = {"uid": uid, "gid": gid, "additionalGids": [gid, *groups]}
    assert users.resolve(text, PASSWD, GROUP) == (user, home)


@pytest.mark.parametrize("text", ["bob", "evil", "broken", "-1", "root:nosuch", "1²"])
def test_who_is_not_there_is_told(text):
    with pytest.raises(MinirunError, match="unable to find"):
        users.resolve(text, PASSWD, GROUP)


@pytest.mark.parametrize("text", ["4294967295", "2147483648", "0:4294967296"])
def test_numbers_the_kernel_would_misunderstand_are_refused(text):
    with pytest.raises(MinirunError, match="must be in range"):
        users.resolve(text, PASSWD, GROUP)


def test_without_passwd_and_group_numbers_still_work():
    assert users.resolve("5:6", "", "") == ({"uid": 5, "gid": 6, "additionalGids": [6]}, "/")
    assert users.resolve("", "", "")[0]["uid"] == 0
