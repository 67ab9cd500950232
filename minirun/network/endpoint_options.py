"""What `--driver-opt` says about one container's place on a network, under Docker's names.

    com.docker.network.endpoint.ifname     what the interface is called inside, in place of eth0
    com.docker.network.endpoint.sysctls    settings of that interface: net.ipv4.conf.IFNAME.log_martians=1,...

See      docs.docker.com "docker network connect", --driver-opt; ip-sysctl.rst; sandbox.py, which sets them
"""

from __future__ import annotations

import re

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IFNAME = "com.docker.network.endpoint.ifname"
_SYSCTLS = "com.docker.network.endpoint.sysctls"
KNOWN = (IFNAME, _SYSCTLS)

_NAME = re.compile(
    r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}"
)  # 15 characters: IFNAMSIZ of linux/if.h, less its zero
_SYSCTL = re.compile(r"net\.[a-z0-9_]+\.[a-z0-9_]+\.IFNAME\.[a-z0-9_]+")


def check(options: Mapping[str, str]) -> None:
    """Raises UsageError for an option that there is not, or a value that it cannot have."""
    if unknown := options.keys() - set(KNOWN):
        raise UsageError(f"unknown option {min(unknown)}", f"there are {', '.join(KNOWN)}")
    name = options.get(IFNAME, "eth0")
    if not _NAME.fullmatch(name) or name == "lo":
        raise UsageError(f'invalid name of an interface: "{name}"', "15 letters or digits at most")
    for text in _texts(options):
        setting, equals, value = text.partition("=")
        if not _SYSCTL.fullmatch(setting) or not equals or not value.isprintable():
            raise UsageError(
                f'invalid setting of an interface: "{text}"', "as in net.ipv4.conf.IFNAME.log_martians=1"
            )


def sysctls(options: Mapping[str, str], interface: str) -> list[tuple[str, str]]:
    """The settings as (file, value), in order.

    >>> sysctls({"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.forwarding=0"}, "eth1")
    [('/proc/sys/net/ipv4/conf/eth1/forwarding', '0')]
    """
    pairs = (text.partition("=") for text in _texts(options))
    return [
        (f"/proc/sys/{setting.replace('.', '/')}".replace("/IFNAME/", f"/{interface}/"), value)
        for setting, _, value in pairs
    ]


def _texts(options: Mapping[str, str]) -> list[str]:
    return options[_SYSCTLS].split(",") if options.get(_SYSCTLS) else []
