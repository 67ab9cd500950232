"""pause, resume, update: what can be done to a container that is there.

See  runc update.go: --resources is a part of linux.resources, and each option one of its values
"""

from __future__ import annotations

from minirun import files
from minirun.cli.arguments import Option
from minirun.errors import UsageError
from minirun.runtime import container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.arguments import Given

# option -> (kind, key) of linux.resources; those of the sizes may have a unit, as 64M
_NUMBERS = {
    "--blkio-weight": ("blockIO", "weight", "weight of its block I/O, from 10 to 1000"),
    "--cpu-period": ("cpu", "period", "microseconds in which --cpu-quota may be used"),
    "--cpu-quota": ("cpu", "quota", "microseconds of CPU in each period"),
    "--cpu-burst": ("cpu", "burst", "microseconds that may be saved for later"),
    "--cpu-share": ("cpu", "shares", "its share when CPUs are scarce"),
    "--cpu-rt-period": ("cpu", "realtimePeriod", "microseconds in which --cpu-rt-runtime may be used"),
    "--cpu-rt-runtime": ("cpu", "realtimeRuntime", "microseconds of real time in each period"),
    "--cpu-idle": ("cpu", "idle", "1: runs when nothing else wants to"),
    "--pids-limit": ("pids", "limit", "most processes and threads, -1 for no limit"),
}
_TEXTS = {
    "--cpuset-cpus": ("cpu", "cpus", "only these CPUs, as 0-2,5"),
    "--cpuset-mems": ("cpu", "mems", "memory only from these nodes"),
}
_SIZES = {
    "--memory": ("memory", "limit", "most RAM, in bytes or as 64M; -1 for no limit"),
    "--memory-reservation": ("memory", "reservation", "RAM that is reclaimed last"),
    "--memory-swap": ("memory", "swap", "most RAM and swap together, -1 for no limit"),
}
# what cgroup_limits.OPTIONS calls by an option of `minirun run`, by its place in config.json
_PLACES = {
    "--device-read-bps and its kin": "blockIO.throttle*Device",
    "--memory-reservation": "memory.reservation",
    "--memory-swappiness": "memory.swappiness",
    "--memory-swap": "memory.swap",
    "--memory": "memory.limit",
    "--oom-kill-disable": "memory.disableOOMKiller",
    "--cpu-rt-period": "cpu.realtimePeriod",
    "--cpu-rt-runtime": "cpu.realtimeRuntime",
    "--cpu-shares": "cpu.shares",
    "--cpuset-cpus": "cpu.cpus",
    "--cpuset-mems": "cpu.mems",
    "--cpus": "cpu.quota",
    "--pids-limit": "pids.limit",
    "--blkio-weight": "blockIO.weight",
}
OPTIONS = (
    Option("--resources -r", "FILE", "a part of linux.resources as JSON; - is standard input"),
    *(Option(name, "NUMBER", text) for name, (_, _, text) in _NUMBERS.items()),
    *(Option(name, "LIST", text) for name, (_, _, text) in _TEXTS.items()),
    *(Option(name, "BYTES", text) for name, (_, _, text) in _SIZES.items()),
)


def in_config(message: str) -> str:
    """The message with places in config.json instead of options.

    >>> in_config('--cpus: the kernel refuses "5 100000" for cpu.max')
    'config.json: linux.resources.cpu.quota: the kernel refuses "5 100000" for cpu.max'
    """
    for option, place in _PLACES.items():
        if message.startswith(option):
            message = f"config.json: {message}"
        message = message.replace(option, f"linux.resources.{place}")
    return message


def pause(options: Given) -> None:
    container.pause(options.root, options.id)


def resume(options: Given) -> None:
    container.resume(options.root, options.id)


def update(options: Given) -> None:
    from minirun.runtime import changing

    if options.resources:
        changing.update(options.root, options.id, _read(options.resources), options.resources)
    else:
        changing.update(options.root, options.id, _of_options(options), "update")


def _read(path: str) -> object:
    try:
        return files.read_json("/dev/stdin" if path == "-" else path)
    except (OSError, ValueError) as error:
        raise UsageError(f"--resources {path}: {getattr(error, 'strerror', error)}") from None


def _of_options(options: Given) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {}
    for table, convert in ((_NUMBERS, _number), (_TEXTS, _text), (_SIZES, _bytes)):
        for name, (kind, key, _) in table.items():
            text = getattr(options, name.lstrip("-").replace("-", "_"))
            if text is not None:
                made.setdefault(kind, {})[key] = convert(text, name)
    return made


def _number(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f'{option}: "{text}" is not a whole number') from None


def _text(text: str, _option: str) -> str:
    return text


def _bytes(text: str, option: str) -> int:
    """64M, 64MB and 64MiB are the same, as in go-units' RAMInBytes."""
    letters = text.upper().removesuffix("B").removesuffix("I")
    power = "KMGTP".find(letters[-1:]) + 1 if letters[-1:] else 0
    number = letters[: -1 if power else None]
    return _number(number if number.lstrip("-").isdecimal() else text, option) << 10 * power
