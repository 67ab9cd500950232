"""config.json's resources as cgroup v2 files, and the messages about controllers that are elsewhere."""

import pytest

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import cgroup_controllers, cgroup_files, cgroup_limits, cgroups_v1

pytestmark = pytest.mark.unit

MEBIBYTE = 2**20
HYBRID = [
    ("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
    ("/sys/fs/cgroup/blkio", "cgroup", "rw,blkio"),
    ("/sys/fs/cgroup/unified", "cgroup2", "rw"),
]


@pytest.fixture
def hybrid(monkeypatch):
    """A host whose v1 hierarchies hold memory and blkio; cgroup2 has hugetlb alone."""
    monkeypatch.setattr(cgroup_files, "_found", None)
    monkeypatch.setattr(cgroup_files, "mounts", lambda: iter(HYBRID))
    monkeypatch.setattr(cgroup_controllers, "available", lambda: {"hugetlb"})


@pytest.mark.parametrize(
    ("resources", "limits"),
    [
        ({}, {}),
        ({"memory": {"limit": 64 * MEBIBYTE}}, {"memory.max": "67108864"}),
        ({"memory": {"limit": 64, "swap": 128}}, {"memory.max": "64", "memory.swap.max": "64"}),
        ({"memory": {"limit": 64, "swap": 64}}, {"memory.max": "64", "memory.swap.max": "0"}),
        ({"memory": {"limit": 64, "swap": -1}}, {"memory.max": "64", "memory.swap.max": "max"}),
        ({"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}),
        ({"memory": {"limit": -1, "swap": 5}}, {"memory.max": "max", "memory.swap.max": "5"}),
        ({"memory": {"swap": -1}}, {"memory.swap.max": "max"}),
        ({"memory": {"reservation": 32, "disableOOMKiller": False}}, {"memory.low": "32"}),
        ({"cpu": {"quota": 50000, "period": 100000}}, {"cpu.max": "50000 100000"}),
        ({"cpu": {"quota": 50000}}, {"cpu.max": "50000 100000"}),
        ({"cpu": {"quota": -1, "period": 20000}}, {"cpu.max": "max 20000"}),
        ({"cpu": {"quota": 9, "burst": 4}}, {"cpu.max": "9 100000", "cpu.max.burst": "4"}),
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
        ({"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
        ({"cpu": {"cpus": "0-1", "mems": "0"}}, {"cpuset.mems": "0", "cpuset.cpus": "0-1"}),
        ({"pids": {"limit": 20}}, {"pids.max": "20"}),
        ({"pids": {"limit": 0}}, {"pids.max": "max"}),
        ({"pids": {"limit": None}}, {}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"blockIO": {"weight": 500}}, {"io.bfq.weight": "500"}),
        (
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 300}]}},
            {"io.bfq.weight": "8:0 300"},
        ),
        (
            {
                "blockIO": {
                    "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}],
                    "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 20}],
                }
            },
            {"io.max": "8:0 rbps=1000\n8:16 wiops=20"},
        ),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MEBIBYTE}]},
            {"hugetlb.2MB.max": "4194304", "hugetlb.2MB.rsvd.max": "4194304"},
        ),
        (
            {"rdma": {"mlx5": {"hcaHandles": 3, "hcaObjects": 9}}},
            {"rdma.max": "mlx5 hca_handle=3 hca_object=9"},
        ),
        ({"memory": {"limit": 64}, "unified": {"memory.max": "99"}}, {"memory.max": "99"}),
        ({"devices": [{"allow": False, "access": "rwm"}]}, {}),
    ],
)
def test_resources_become_files(resources, limits):
    assert cgroup_limits.from_resources(resources) == limits


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 1), (2, 1), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (10**9, 10000)],
)
def test_cpu_shares_follow_the_new_curve(shares, weight):
    assert cgroup_limits.cpu_weight(shares) == weight


def test_shares_of_the_same_weight_are_not_the_same_limit():
    some, more = (cgroup_limits.from_resources({"cpu": {"shares": shares}}) for shares in (1023, 1024))
    assert (some["cpu.weight"] == "100", some == more, some == some.copy()) == (True, False, True)
    assert some["cpu.weight"] != more["cpu.weight"]


@pytest.mark.parametrize(("weight", "io_weight"), [(10, 1), (500, 4950), (1000, 10000)])
def test_block_weights_are_stretched(weight, io_weight):
    assert cgroup_limits.io_weight(weight) == io_weight


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"memory": {"swap": 64}}, "needs --memory"),
        ({"memory": {"limit": 64, "swap": 32}}, "cannot be below"),
        ({"unified": {"../memory.max": "1"}}, "not a cgroup file"),
        ({"unified": {"memory": "1"}}, "not a cgroup file"),
    ],
)
def test_contradictions_are_usage_errors(resources, message):
    with pytest.raises(UsageError, match=message):
        cgroup_limits.from_resources(resources)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("blockIO", "leafWeight", 5),
        ("blockIO", "weightDevice", [{"major": 8, "minor": 0, "leafWeight": 5}]),
        ("network", "classID", 5),
        ("memory", "kernel", 1 << 20),
        ("memory", "kernelTCP", 1 << 20),
        ("memory", "useHierarchy", False),
    ],
)
def test_what_no_kernel_of_today_has_is_refused_by_name(kind, key, value):
    with pytest.raises(UnsupportedError, match=f"linux.resources.{kind}"):
        cgroup_limits.from_resources({kind: {key: value}})


def test_no_limit_for_what_cannot_be_limited_is_right():
    memory = {"kernel": -1, "kernelTCP": 0, "useHierarchy": True}
    assert cgroup_limits.from_resources({"memory": memory}) == {}


V1_ALONE = [
    ({"memory": {"swappiness": 0}}, {"memory.swappiness": "0"}, "--memory-swappiness"),
    ({"memory": {"disableOOMKiller": True}}, {"memory.oom_control": "1"}, "--oom-kill-disable"),
    ({"cpu": {"realtimeRuntime": 5}}, {"cpu.rt_runtime_us": "5"}, "--cpu-rt-runtime"),
    ({"cpu": {"realtimePeriod": 9}}, {"cpu.rt_period_us": "9"}, "--cpu-rt-period"),
]


@pytest.mark.parametrize(("resources", "limits", "option"), V1_ALONE)
def test_what_only_v1_has_is_refused_where_v2_holds_the_controller(monkeypatch, resources, limits, option):
    monkeypatch.setattr(cgroup_files, "_found", ("/sys/fs/cgroup", {}))
    monkeypatch.setattr(cgroup_controllers, "available", lambda: {"memory", "cpu"})
    assert cgroup_limits.from_resources(resources) == limits
    with pytest.raises(UnsupportedError, match=f"{option}: cgroup v2 has no "):
        cgroup_controllers.require(limits)


@pytest.mark.parametrize(("resources", "limits", "option"), V1_ALONE)
def test_what_only_v1_has_is_written_where_it_holds_the_controller(monkeypatch, resources, limits, option):
    monkeypatch.setattr(cgroup_files, "_found", ("/sys/fs/cgroup", {"memory": "/m", "cpu": "/c"}))
    monkeypatch.setattr(cgroup_controllers, "available", set)
    assert cgroup_controllers.require(limits) == limits
    ((file, value),) = limits.items()
    assert cgroups_v1.writes(file, value, {}.get) == [(file, value)]


@pytest.mark.usefixtures("hybrid")
def test_what_a_v1_hierarchy_holds_can_be_limited():
    limits = {"hugetlb.2MB.max": "max", "memory.max": "1000000", "io.max": "8:0 rbps=1"}
    assert cgroup_controllers.require(limits) == limits
    assert cgroup_controllers.usable() == {"hugetlb", "io", "memory"}


@pytest.mark.usefixtures("hybrid")
def test_what_v1_cannot_do_is_named_with_the_way_out():
    with pytest.raises(UnsupportedError) as caught:
        cgroup_controllers.require({"memory.high": "1000000"})
    assert caught.value.message == (
        "memory.high exists only in cgroup v2, and on this host a cgroup v1 hierarchy holds memory"
    )
    assert "cgroup_no_v1=memory" in caught.value.hint
    assert cgroup_controllers.require({"memory.high": "max"}) == {}


@pytest.mark.usefixtures("hybrid")
def test_a_missing_controller_is_named_with_its_option():
    with pytest.raises(UnsupportedError) as caught:
        cgroup_controllers.require({"cpuset.cpus": "0"})
    assert caught.value.message == (
        "the cpuset controller is not on the cgroup2 mount /sys/fs/cgroup/unified, "
        "so --cpuset-cpus cannot be applied"
    )


def test_without_a_cgroup2_mount_it_says_how_to_have_one(monkeypatch):
    monkeypatch.setattr(cgroup_files, "_found", None)
    monkeypatch.setattr(cgroup_files, "mounts", lambda: iter(HYBRID[:2]))
    with pytest.raises(UnsupportedError, match="cgroup2 is not mounted") as caught:
        cgroup_files.mount_point()
    assert "mount -t cgroup2 none /sys/fs/cgroup/unified" in caught.value.hint


@pytest.mark.usefixtures("hybrid")
def test_a_controller_nobody_holds_is_said_to_be_missing():
    with pytest.raises(UnsupportedError) as caught:
        cgroup_controllers.require({"pids.max": "20"})
    assert "kernel does not have it" in caught.value.hint


@pytest.mark.usefixtures("hybrid")
def test_io_was_called_blkio():
    assert cgroup_files.v1_holder("io") == "/sys/fs/cgroup/blkio"


def test_files_of_the_core_need_no_controller(monkeypatch):
    monkeypatch.setattr(cgroup_controllers, "available", set)
    assert cgroup_controllers.require({"cgroup.max.depth": "5"}) == {"cgroup.max.depth": "5"}


def test_a_path_does_not_leave_the_mount(monkeypatch):
    monkeypatch.setattr(cgroup_files, "_found", ("/cg", {}))
    assert cgroup_files.directory("/minirun/./a") == "/cg/minirun/a"
    with pytest.raises(UsageError):
        cgroup_files.directory("/minirun/../../etc")


@pytest.mark.parametrize(("text", "found"), [("0-2,5", {0, 1, 2, 5}), ("", set()), ("3", {3})])
def test_cpu_lists(text, found):
    assert cgroup_limits.numbers(text) == found


def test_a_bad_cpu_list_is_quoted():
    with pytest.raises(UsageError, match='"1-x"'):
        cgroup_limits.numbers("1-x")


def test_a_cpu_that_is_not_there_is_an_error(monkeypatch):
    """The kernel takes the number, and then uses what the group above has."""
    monkeypatch.setattr(cgroup_files, "write", lambda *_: None)
    monkeypatch.setattr(cgroup_files, "read", lambda path, file: "0-1")
    cgroup_controllers.set_limits("/x", {"cpuset.cpus": "0,1"})
    with pytest.raises(UsageError, match="--cpuset-cpus: 7 is not available"):
        cgroup_controllers.set_limits("/x", {"cpuset.cpus": "7"})
