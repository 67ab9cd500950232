"""What --privileged gives of the host's /dev."""

from __future__ import annotations

from minirun.engine import host_devices


def test_the_hosts_nodes_as_they_are_and_no_terminal_of_others() -> None:
    found = {node["path"]: node for node in host_devices.all_nodes()}
    null = found["/dev/null"]
    assert (null["type"], null["major"], null["minor"]) == ("c", 1, 3)
    assert not any(path.startswith(("/dev/pts/", "/dev/shm/", "/dev/mqueue/")) for path in found)
    assert not found.keys() & {"/dev/console", "/dev/ptmx"}
