"""What config.json holds without being asked."""

from pathlib import Path

from minirun.runtime import spec


def test_the_throttling_of_each_cpu_that_does_is_masked(tmp_path: Path) -> None:
    for name in (
        "cpu10/thermal_throttle",
        "cpu9/thermal_throttle",
        "cpu1/topology",
        "cpufreq/thermal_throttle",
    ):
        (tmp_path / name).mkdir(parents=True)
    masked = [path for path in spec.masked_paths(str(tmp_path)) if path.endswith("throttle")]
    assert masked == [f"{tmp_path}/cpu9/thermal_throttle", f"{tmp_path}/cpu10/thermal_throttle"]


def test_what_moby_masks_is_masked_on_a_machine_without_cpus_in_sys(tmp_path: Path) -> None:
    masked = spec.masked_paths(f"{tmp_path}/nothing")
    assert {"/proc/interrupts", "/proc/kcore", "/sys/devices/virtual/powercap", "/sys/firmware"} <= set(
        masked
    )
