"""`--tmpfs /path:OPTIONS`: what the kernel would only call invalid is told by name."""

import pytest

from minirun.engine.options import mounts, run_options
from minirun.errors import UsageError


def check(options):
    mounts.check([mounts.tmpfs(f"/x:{options}")])


@pytest.mark.parametrize(
    "options",
    [
        *("", "ro", "rw,exec,dev,suid", "noatime", "private"),
        *("size=64m", "size=0", "size=10%", "size=4K", "size=1048576", "nr_inodes=4k", "nr_blocks=7"),
        *("mode=1777", "mode=0", "mode=07777", "uid=0,gid=4294967294", "mpol=interleave", "size=1m,size=2m"),
    ],
)
def test_what_the_kernel_takes(options):
    check(options)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        *(
            (word, word)
            for word in ("size=bad", "size=", "size=1x", "size=-1", "size=%", "size=1.5m", "size=8e")
        ),
        *((word, word) for word in ("mode=9", "mode=abc", "mode=", "mode=17777", "mode=-1", "mode=0o7")),
        *((word, word) for word in ("uid=x", "uid=-1", "gid=4294967295", "uid=", "nr_inodes=10%", "mpol=")),
        *((word, word) for word in ("foo", "foo=1", "size", "bind", "rbind", "remount", "huge=always", "=")),
        *((f"ro,{word},exec", word) for word in ("sizes=1m", "size=\u0664", "", "mode=\n")),
    ],
)
def test_one_that_is_wrong_is_quoted(options, word):
    with pytest.raises(UsageError, match="invalid tmpfs option") as raised:
        check(options)
    assert f'"{word}"' in raised.value.message


def test_more_than_a_page_of_them_is_refused():
    with pytest.raises(UsageError, match="longer than 4000 bytes"):
        check(",".join(["size=1m"] * 600))


def test_it_is_asked_before_anything_is_made():
    options = run_options.defaults("image")
    options["mounts"] = [mounts.tmpfs("/x:size=bad")]
    with pytest.raises(UsageError, match="size=bad"):
        run_options.check(options)
