"""The words of `--log-opt` for the drivers that send lines to a service: syslog and journald.

    syslog-address   unix:///dev/log, udp://HOST:514, tcp://HOST:514
    syslog-facility  daemon, local0 ...; syslog-format: rfc3164, rfc5424, rfc5424micro, or that of /dev/log
    tag              what a line is marked with: {{.Name}}, {{.ID}}; labels and env: fields of a journal's entry

See  docs.docker.com "Syslog logging driver" and "Journald logging driver"; logs/services.py, which sends them
"""

from __future__ import annotations

import os
import re
import socket

from minirun.errors import UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNAL = "/run/systemd/journal/socket"
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("", "", "", ""),  # 12 to 15 have no name in syslog(3)
    *(f"local{number}" for number in range(8)),
)
TAG_FIELDS = (
    *("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Command", "Hostname"),
    "DaemonName",
)
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_KINDS = {
    **dict.fromkeys(("unix", "unixgram", "udp"), socket.SOCK_DGRAM),
    "tcp": socket.SOCK_STREAM,
}


def check(driver: str, options: Mapping[str, str]) -> None:
    """Raises UsageError, and UnsupportedError where the host has no such service."""
    if options.get("cache-disabled", "false") not in ("true", "false"):
        raise UsageError(f"invalid value for cache-disabled: {options['cache-disabled']}", "true or false")
    filled(options.get("tag", ""), dict.fromkeys(TAG_FIELDS, ""))
    if driver == "journald":
        if not os.path.exists(JOURNAL):
            raise UnsupportedError(
                "--log-driver journald: journald is not enabled on this host", f"it has no {JOURNAL}"
            )
        return
    facility, form = options.get("syslog-facility", "daemon"), options.get("syslog-format", "")
    if facility not in FACILITIES or not facility:
        raise UsageError(
            f"invalid syslog facility: {facility}", f"there are {', '.join(filter(None, FACILITIES))}"
        )
    if form not in _FORMATS:
        raise UsageError(f"invalid syslog format: {form}", f"there are {', '.join(_FORMATS[1:])}")
    family, _, address = syslog_address(options)
    if family == socket.AF_UNIX and not os.path.exists(address):  # type: ignore[arg-type]
        raise UnsupportedError(
            f"--log-driver syslog: {address} is not there: no syslog runs on this host",
            "--log-opt syslog-address=udp://HOST:514 is for another one",
        )


def syslog_address(options: Mapping[str, str]) -> tuple[int, int, str | tuple[str, int]]:
    """Family, type and address of the socket that `syslog-address` names, /dev/log without one.  Raises UsageError.

    >>> syslog_address({"syslog-address": "udp://[::1]"})[2]
    ('::1', 514)
    """
    text = options.get("syslog-address", "unix:///dev/log")
    protocol, _, where = text.partition("://")
    if protocol == "tcp+tls":
        raise UnsupportedError("syslog-address: tcp+tls is not in minirun", "tcp, udp or unix")
    if protocol.startswith("unix") and protocol in _KINDS and where:
        return socket.AF_UNIX, _KINDS[protocol], where
    found = re.fullmatch(r"(?:\[(?P<v6>[\da-fA-F:.]+)\]|(?P<host>[^\[\]:/]+))(?::(?P<port>\d{1,5}))?", where)
    if protocol not in _KINDS or not found or int(found["port"] or 0) >= 2**16 or not _is_host(found["host"]):
        raise UsageError(f"invalid syslog-address: {text}", "as in udp://192.0.2.7:514 or unix:///dev/log")
    family = socket.AF_INET6 if found["v6"] else socket.AF_INET
    return family, _KINDS[protocol], (found["v6"] or found["host"], int(found["port"] or 514))


def _is_host(name: str | None) -> bool:
    """Whether it can be looked up at all: connect() of Python refuses others."""
    try:
        (name or "").encode("idna")
    except UnicodeError:
        return False
    return True


def filled(tag: str, values: Mapping[str, str]) -> str:
    """`tag` with {{.Name}} and the like replaced.  Raises UsageError for another template.

    >>> filled("web-{{ .ID }}", {"ID": "3f1c"})
    'web-3f1c'
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(
                f"invalid tag: there is no field {match[1]}", f"there are {', '.join(TAG_FIELDS)}"
            )
        return values[match[1]]

    made = re.sub(r"{{\s*\.(\w+)\s*}}", value, tag)
    if "{{" in made:
        raise UsageError(f'invalid tag: "{tag}"', "a text with fields, as in {{.Name}}/{{.ID}}")
    return made
