"""The words of `--security-opt`: what a container may not do, or may for once.

    no-new-privileges[=true|false]   no set-user-ID program gives a privilege back
    seccomp=unconfined|builtin|FILE  no filter, Docker's own, or the one in FILE
    systempaths=unconfined           nothing of /proc and /sys is hidden or read-only
    writable-cgroups=true|false      whether /sys/fs/cgroup may be written
    apparmor=unconfined|PROFILE      where the host has AppArmor; there is no profile without it
    label=disable                    SELinux: there is no label that could be taken away

See      docs.docker.com "docker container run", security-opt; moby daemon/daemon_unix.go parseSecurityOpt
"""

from __future__ import annotations

from minirun import booleans
from minirun.errors import UnsupportedError, UsageError
from minirun.linux import apparmor, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_HINT = "no-new-privileges, seccomp=FILE, systempaths=unconfined, writable-cgroups=true, apparmor=PROFILE"


def parse(entries: Iterable[str]) -> tuple[bool, dict[str, Any] | None]:
    """no_new_privileges and seccomp of them all.  Raises UsageError quoting the bad one, UnsupportedError."""
    no_new_privileges = False
    profile: dict[str, Any] | None = {}
    for entry in entries:
        key, value = _split(entry)
        if key == "no-new-privileges":
            no_new_privileges = _boolean(entry, value or "true")
        elif key == "seccomp" and value:
            profile = _profile(value)
        else:
            _check_other(entry, key, value)
    return no_new_privileges, profile


def _split(entry: str) -> tuple[str, str]:
    """`key=value`, or `key:value` as it was written once."""
    key, _, value = entry.partition("=" if "=" in entry else ":")
    return key, value


def _boolean(entry: str, value: str) -> bool:
    if value not in booleans.EXACT:
        raise UsageError(f'invalid --security-opt: "{entry}"', "it is true or false")
    return booleans.EXACT[value]


def _profile(value: str) -> dict[str, Any] | None:
    if value == "unconfined":
        return None
    return {} if value == "builtin" else seccomp.load_profile(value)


def _check_other(entry: str, key: str, value: str) -> None:
    if (key, value) in (("label", "disable"), ("systempaths", "unconfined"), ("apparmor", "unconfined")):
        return
    if key == "writable-cgroups" and value:
        _boolean(entry, value)
    elif key == "apparmor" and value:
        if not apparmor.is_enabled():
            raise UnsupportedError(
                f"--security-opt {entry}: this host has no AppArmor", "the profile would do nothing"
            )
    elif key == "label" and value:
        raise UnsupportedError(
            f"--security-opt {entry} is not in minirun: it sets no SELinux labels",
            "label=disable is what is so",
        )
    elif key == "credentialspec":
        raise UnsupportedError(f"--security-opt {entry} is not in minirun: it is for containers of Windows")
    else:
        raise UsageError(f'invalid --security-opt: "{entry}"', _HINT)


def check(entries: Iterable[str]) -> None:
    """The same of options that come from no command line, or from another host."""
    for entry in entries:
        key, value = _split(entry)
        if key not in ("no-new-privileges", "seccomp"):
            _check_other(entry, key, value)


def value_of(entries: Iterable[str], wanted: str) -> str:
    """What was said last of a key, "" for nothing."""
    return dict(map(_split, entries)).get(wanted, "")


def shown(entries: Iterable[str]) -> list[str] | None:
    """As inspect has them: systempaths is in MaskedPaths and ReadonlyPaths alone."""
    given = list(entries)
    return [entry for entry in given if _split(entry)[0] != "systempaths"] if given else None


def has_open_paths(entries: Iterable[str], privileged: bool) -> bool:
    """Whether nothing of /proc and /sys is to be masked or read-only."""
    return privileged or value_of(entries, "systempaths") == "unconfined"


def has_writable_cgroups(entries: Iterable[str], privileged: bool) -> bool:
    """Whether /sys/fs/cgroup may be written: what --privileged gives, unless it is said."""
    said = value_of(entries, "writable-cgroups")
    return booleans.EXACT[said] if said else privileged


def apparmor_profile(entries: Iterable[str]) -> str:
    """The profile that is to be applied, "" for none."""
    profile = value_of(entries, "apparmor")
    return "" if profile == "unconfined" else profile
