"""The words for mounts as values, the words that are refused, and which mount gets a place that several want."""

import re

import pytest

from minirun.engine import bundle, volumes
from minirun.engine.options import mounts, run_options
from minirun.errors import UsageError


def brief(mount):
    """[kind, source or name, destination, options]"""
    return [mount["kind"], mount["name"] or mount["source"], mount["destination"], mount["options"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a:/b", ["bind", "/a", "/b", ["rbind", "rprivate"]]),
        ("/a/../c//:/b/", ["bind", "/c", "/b", ["rbind", "rprivate"]]),
        ("/a:/b:ro,rslave", ["bind", "/a", "/b", ["rbind", "rslave", "ro"]]),
        ("/a:/b:z", ["bind", "/a", "/b", ["rbind", "rprivate"]]),
        ("name:/b", ["volume", "name", "/b", ["rbind", "rprivate"]]),
        ("name:/b:ro", ["volume", "name", "/b", ["rbind", "rprivate", "ro"]]),
        ("/b", ["volume", "", "/b", ["rbind", "rprivate"]]),
    ],
)
def test_what_v_means(text, expected):
    assert brief(mounts.volume(text)) == expected


def test_a_path_beside_us_is_the_hosts(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert mounts.volume("./x:/b")["source"] == f"{tmp_path}/x"
    assert mounts.volume(".:/b")["source"] == str(tmp_path)


def test_only_a_volume_is_filled_and_nocopy_says_not():
    assert mounts.volume("name:/b")["copy"]
    assert not mounts.volume("name:/b:nocopy")["copy"]
    assert not mounts.volume("/a:/b")["copy"]


@pytest.mark.parametrize("text", ["", ":/b", "a:/b:ro:x", "/a:", "name:b", "/a:/", "/b:ro", "b", "/a:/b/../"])
def test_what_is_no_volume_is_quoted(text):
    with pytest.raises(UsageError, match=f"invalid volume specification: '{text}'"):
        mounts.volume(text)


@pytest.mark.parametrize(
    "mode", ["wrong", "ro,rw", "ro,ro", "", "nocopy", "rslave,private", "rshared", "shared", "ro,"]
)
def test_what_is_no_mode_of_a_bind_is_quoted(mode):
    with pytest.raises(UsageError, match=f"invalid mode: {mode}"):
        mounts.volume(f"/a:/b:{mode}")


def test_a_volume_has_no_propagation():
    with pytest.raises(UsageError, match="invalid mode: rslave"):
        mounts.volume("name:/b:rslave")


@pytest.mark.parametrize("name", ["x/y", "-x", ".x", "x y", "x" * 2 + "\n", "é"])
def test_names_that_volumes_cannot_have(name):
    with pytest.raises(UsageError, match="includes invalid characters for a local volume name"):
        mounts.check_name(name)


def test_a_relative_path_is_taken_for_a_name_and_refused():
    with pytest.raises(UsageError, match="If you intended to pass a host directory, use absolute path"):
        mounts.volume("some/dir:/b")


# ---- --mount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=bind,src=/a,dst=/b", ["bind", "/a", "/b", ["rbind", "rprivate"]]),
        (
            "type=bind,source=/a,target=/b,readonly,bind-propagation=slave",
            ["bind", "/a", "/b", ["rbind", "slave", "ro"]],
        ),
        (
            "type=bind,source=/a,destination=/b,ro=false,bind-nonrecursive",
            ["bind", "/a", "/b", ["bind", "rprivate"]],
        ),
        ("src=name,dst=/b", ["volume", "name", "/b", ["rbind", "rprivate"]]),
        ("type=volume,dst=/b", ["volume", "", "/b", ["rbind", "rprivate"]]),
        (
            "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1770",
            ["tmpfs", "tmpfs", "/b", ["nosuid", "nodev", "noexec", "size=1048576", "mode=1770"]],
        ),
        ('type=bind,"src=/a,b",dst=/b', ["bind", "/a,b", "/b", ["rbind", "rprivate"]]),
    ],
)
def test_what_mount_means(text, expected):
    assert brief(mounts.mount(text)) == expected


def test_labels_of_a_volume_that_is_made_for_a_mount():
    words = 'volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,uid=7"'
    made = mounts.mount(f"src=name,dst=/b,{words}")
    assert made["volume_options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=7"}
    made = mounts.mount("src=name,dst=/b,volume-label=a=b=c,volume-label=d,volume-nocopy")
    assert made["labels"] == {"a": "b=c", "d": ""}
    assert not made["copy"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=bind,dst=/b,what", "invalid field 'what' must be a key=value pair"),
        ("type=bind,dst=/b,what=x", "unexpected key 'what' in 'what=x'"),
        ("type=bind,src=/a", "target is required"),
        ("", "target is required"),
        ("type=,dst=/a", "type is required"),
        ("dst=/a,readonly=perhaps", "invalid value for readonly: perhaps"),
        ("type=bind,src=/a,dst=/b,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
        ("dst=/b,bind-propagation=slave", "cannot mix 'bind-*' options with mount type 'volume'"),
        ("type=tmpfs,dst=/b,tmpfs-size=x", "invalid value for tmpfs-size: x"),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
        ("type=bind,src=/a,dst=/b,bind-propagation=rshared", "invalid propagation mode: rshared"),
        ("type=bind,src=/a,dst=/b,bind-recursive=readonly", "requires 'readonly'"),
    ],
)
def test_a_mount_that_is_written_wrong_is_quoted(text, words):
    with pytest.raises(UsageError) as raised:
        mounts.mount(text)
    assert str(raised.value).startswith(f'invalid argument "{text}" for "--mount" flag: ')
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=npipe,src=a,dst=/b", 'invalid mount config for type "npipe": mount type unknown'),
        ("type=bind,dst=/b", 'invalid mount config for type "bind": field Source must not be empty'),
        ("type=bind,src=a,dst=/b", "invalid mount path: 'a' mount path must be absolute"),
        ("type=bind,src=/a,dst=b", "invalid mount path: 'b' mount path must be absolute"),
        ("type=tmpfs,src=/a,dst=/b", "field Source must not be specified"),
        ("type=tmpfs,dst=/", "invalid specification: destination can't be '/'"),
        ("dst=/b,ro", "must not set ReadOnly mode when using anonymous volumes"),
        ("src=a/b,dst=/b", "includes invalid characters for a local volume name"),
        ("src=name,dst=/b,volume-driver=nfs", 'plugin "nfs" not found'),
    ],
)
def test_a_mount_that_makes_no_sense_is_refused(text, words):
    with pytest.raises(UsageError) as raised:
        mounts.mount(text)
    assert words in str(raised.value)


# ---- several


def destinations(entries):
    return [mount["destination"] for mount in entries]


def test_mounts_above_come_before_those_below():
    given = [mounts.volume(f"/x:{path}") for path in ("/a/b/c", "/z", "/a", "/a/b")]
    assert destinations(mounts.joined(given, [], [])) == ["/z", "/a", "/a/b", "/a/b/c"]


def test_two_mounts_on_one_place_are_refused():
    given = [mounts.volume("/x:/a"), mounts.tmpfs("/a/")]
    with pytest.raises(UsageError, match="Duplicate mount point: /a"):
        mounts.joined(given, [], [])


def test_what_is_given_wins_over_what_is_inherited_and_that_over_the_image():
    first, last = (mounts.inherit([mounts.volume(f"{name}:/b")], "") for name in ("first", "last"))
    joined = mounts.joined([mounts.volume("own:/a")], [*first, *last], ["/a", "/b", "/c/"])
    assert [mount["name"] for mount in joined] == ["own", "last", ""]
    assert destinations(joined) == ["/a", "/b", "/c"]


def test_what_is_inherited_can_be_read_only_and_is_never_filled():
    made = mounts.inherit([mounts.volume("name:/a"), mounts.tmpfs("/t")], "ro")
    assert brief(made[0]) == ["volume", "name", "/a", ["rbind", "rprivate", "ro"]]
    assert len(made) == 1
    assert not made[0]["copy"]


@pytest.mark.parametrize("text", ["one:wrong", "one:", ":ro", ""])
def test_what_is_no_volumes_from_is_refused(text):
    with pytest.raises(UsageError, match="invalid"):
        mounts.volumes_from(text)


def test_a_read_only_bind_is_so_to_its_depth_unless_told_otherwise():
    options = {
        text: mounts.mount(f"type=bind,src=/a,dst=/b,ro{text}") for text in ("", ",bind-recursive=writable")
    }
    entries = volumes.mount_entries({"mounts": list(options.values())})
    assert ["rro" in entry["options"] for entry in entries] == [True, False]


def test_a_mount_on_etc_does_not_hide_our_files_in_it(tmp_path):
    record = {"mounts": [mounts.volume("/x:/etc")], "options": run_options.defaults("busybox")}
    found = [mount["destination"] for mount in bundle._mounts(record, str(tmp_path))]
    assert found.index("/etc") < found.index("/etc/hosts")


def test_a_mount_on_dev_has_none_of_ours_in_it(tmp_path):
    record = {"mounts": [mounts.volume("/x:/dev")], "options": run_options.defaults("busybox")}
    found = [mount["destination"] for mount in bundle._mounts(record, str(tmp_path))]
    assert [path for path in found if path.startswith("/dev")] == ["/dev"]


# ---- places that no mount may take


@pytest.mark.parametrize("place", ["/", "//", "/x/..", "", "."])
def test_an_image_cannot_have_a_volume_at_its_root(place):
    with pytest.raises(
        UsageError, match=r"the image's VOLUME /: invalid specification: destination can't be '/'"
    ):
        mounts.joined([], [], [place])


@pytest.mark.parametrize("place", ["/proc", "/proc/", "/proc/sys", "/x/../proc/1", "proc/self"])
def test_an_image_cannot_have_a_volume_in_proc(place):
    with pytest.raises(UsageError, match=r"the image's VOLUME /proc.*: nothing can be mounted there"):
        mounts.joined([], [], [place])


@pytest.mark.parametrize(
    ("made", "origin"),
    [
        (mounts.volume("name:/proc"), "-v"),
        (mounts.volume("/proc/sys"), "-v"),
        (mounts.volume("/a:/proc/kcore"), "-v"),
        (mounts.mount("type=tmpfs,dst=/proc/x"), "--mount"),
        (mounts.tmpfs("/proc/acpi"), "--tmpfs"),
    ],
)
def test_no_option_mounts_in_proc(made, origin):
    with pytest.raises(UsageError, match=f"{origin} /proc.*: nothing can be mounted there"):
        mounts.joined([made], [], [])


@pytest.mark.parametrize(
    "text", ["/proc:/proc", "/lxcfs:/proc/meminfo", "/sys:/sys", "/a:/sys/fs/cgroup", "/a:/procs"]
)
def test_what_docker_mounts_there_is_mounted(text):
    assert len(mounts.joined([mounts.volume(text)], [], [])) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "type=volume,src=data,dst=/x,volume-subpath=../y",
            'subpath "../y" must be a relative path within the volume',
        ),
        ("type=volume,src=data,dst=/x,volume-subpath=/y", 'subpath "/y" must be a relative path'),
        ("type=bind,src=/,dst=/x,volume-subpath=y", "cannot mix 'volume-*' options with mount type 'bind'"),
        ("type=image,dst=/x", 'type "image": field Source must not be empty'),
        ("type=image,src=i,dst=/x,volume-subpath=y", "cannot mix 'volume-*' options with mount type 'image'"),
    ],
)
def test_what_is_no_part_of_a_volume_or_image(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        mounts.mount(text)


def test_an_image_is_read_only_and_a_part_is_not_filled() -> None:
    assert "ro" in mounts.mount("type=image,src=i,dst=/x")["options"]
    part = mounts.mount("type=volume,src=data,dst=/x,volume-subpath=a/b")
    assert (part["subpath"], part["copy"]) == ("a/b", False)
