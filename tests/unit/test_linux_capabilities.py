"""Capabilities as numbers, and Docker's rules of --cap-add and --cap-drop."""

import pytest

from minirun.errors import UsageError
from minirun.linux import capabilities

pytestmark = pytest.mark.unit

EVERYTHING = 2**41 - 1


def effective(**options):
    return capabilities.effective_set(**{"bounding": EVERYTHING, **options})


def test_the_default_is_dockers_mask():
    assert f"{capabilities.mask(effective()):016x}" == "00000000a80425fb"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("CAP_CHOWN", 0),
        ("net_admin", 12),
        ("Cap_Sys_Admin", 21),
        ("MAC_OVERRIDE", 32),
        ("CAP_AUDIT_READ", 37),
        ("bpf", 39),
        ("CHECKPOINT_RESTORE", 40),
    ],
)
def test_a_name_has_its_kernel_number(name, number):
    assert capabilities.parse(name) == number


@pytest.mark.parametrize("name", ["NET_ADMINS", "", "CAP_", "CAP_ALL"])
def test_an_unknown_name_is_quoted(name):
    with pytest.raises(UsageError, match=f'"{name}"'):
        capabilities.parse(name)


def test_all_is_not_a_single_capability():
    with pytest.raises(UsageError, match="all of them"):
        capabilities.parse("all")


def test_mask_and_names_are_inverse():
    assert capabilities.names(EVERYTHING) == list(capabilities.NAMES)
    assert capabilities.mask(capabilities.names(0x1F5)) == 0x1F5


def test_a_capability_newer_than_the_list_still_has_a_name():
    assert capabilities.names(1 << 45) == ["CAP_45"]


@pytest.mark.parametrize(
    ("add", "drop", "mask"),
    [
        (["NET_ADMIN"], [], 0xA80425FB | 1 << 12),
        ([], ["cap_chown", "KILL"], 0xA80425FB & ~(1 << 0) & ~(1 << 5)),
        (["CHOWN"], ["CHOWN"], 0xA80425FB),  # add wins
        ([], ["ALL"], 0),
        (["NET_RAW"], ["all"], 1 << 13),
        (["ALL"], [], EVERYTHING),
        (["ALL"], ["SYS_ADMIN"], EVERYTHING & ~(1 << 21)),
        (["ALL"], ["ALL"], EVERYTHING),
    ],
)
def test_add_and_drop_follow_docker(add, drop, mask):
    assert capabilities.mask(effective(add=add, drop=drop)) == mask


def test_privileged_is_everything_the_host_has():
    chosen = effective(drop=["ALL"], privileged=True, bounding=EVERYTHING & ~(1 << 24))
    assert capabilities.mask(chosen) == EVERYTHING & ~(1 << 24)


def test_the_result_is_cut_to_the_bounding_set():
    assert effective(add=["SYS_RESOURCE"], drop=["ALL"], bounding=EVERYTHING & ~(1 << 24)) == []


def test_a_bad_name_in_a_list_is_an_error():
    with pytest.raises(UsageError, match="FLY"):
        effective(add=["FLY"])


def test_the_bounding_set_is_read_from_proc():
    with open("/proc/self/status") as file:
        assert f"CapBnd:\t{capabilities.bounding():016x}" in file.read()
