"""A service as the engine's options: what `run` would be told by hand.

    services.web.ports  ->  options["ports"]        each key has one function, here or in a file beside

Nothing is asked of the machine here, and nothing is made: whether there is such a network or such a device is seen
when the container is.  What the engine has not got is left out, and named by unsupported.py.

See   compose-spec 05-services.md; engine/options/run_options.py for the other side
Next  service_mounts.py
"""

from __future__ import annotations

import os

from minirun.compose import names, service_limits, service_mounts, service_networks, unsupported
from minirun.engine.options import devices, logging, namespaces, policies, run_options, runtimes, security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.compose.language.model import Healthcheck, Project, Service
    from minirun.engine.record_types import HealthSettings, RestartPolicy, RunOptions

# what deploy.restart_policy.condition is called by the engine; without one Docker Compose restarts nothing
_CONDITIONS = {"none": "no", "any": "always", "": "no"}


def make(
    project: Project,
    service: Service,
    *,
    number: int = 1,
    name: str = "",
    aliases: bool = True,
    record_of: Callable[[str], str],
) -> RunOptions:
    """The options of the service's container `number`, whose name is `name` if that is given.

    `record_of` gives the id of a container of another service, whose namespaces or volumes are to be used.  `aliases`:
    it can be found by the service's name.  The labels are the service's alone, see labels.py for the others.  Raises
    UsageError quoting what the engine cannot read.
    """
    options = run_options.defaults(names.image(project, service), service.get("command") or [])
    options["name"] = name or names.container(project, service, number)
    options["entrypoint"] = service.get("entrypoint")
    _describe(options, service)
    _confine(options, project, service)
    _end(options, service)
    options["namespaces"] = _namespaces(service, record_of)
    if service.get("runtime", "") not in unsupported.OWN_RUNTIMES:
        options["runtime"] = runtimes.find(service["runtime"])
    options["health"] = health(service.get("healthcheck") or {})
    options["log"] = log(service.get("logging") or {})
    service_mounts.apply(options, project, service, record_of)
    service_networks.apply(options, project, service, record_of, aliases=aliases)
    service_limits.apply(options, service)
    return options


def for_one_off(service: Service, *, ports: bool = False) -> Service:
    """The service as `compose run` makes it: once, never again.  `ports`: with those it publishes."""
    made = service.copy()
    for key in ("container_name", "restart", "scale"):
        made.pop(key, None)  # type: ignore[misc]
    if not ports:
        made["ports"] = []
    made["deploy"] = {
        key: value for key, value in service.get("deploy", {}).items() if key != "restart_policy"
    }
    return made


def _describe(options: RunOptions, service: Service) -> None:
    """What the program sees of itself and its place."""
    environment = service.get("environment") or {}
    options["env"] = [f"{name}={value}" for name, value in environment.items() if value is not None]
    options["labels"] = dict(service.get("labels") or {})
    options["annotations"] = dict(service.get("annotations") or {})
    options["workdir"] = service.get("working_dir", "")
    options["user"] = service.get("user", "")
    options["groups"] = [str(group) for group in service.get("group_add", [])]
    options["hostname"] = service.get("hostname", "")
    options["domainname"] = service.get("domainname", "")
    options["tty"] = service.get("tty", False)
    options["interactive"] = service.get("stdin_open", False)
    options["init"] = service.get("init", False)
    options["platform"] = service.get("platform", "")


def _confine(options: RunOptions, project: Project, service: Service) -> None:
    """What it may do."""
    options["cap_add"] = list(service.get("cap_add") or [])
    options["cap_drop"] = list(service.get("cap_drop") or [])
    options["privileged"] = service.get("privileged", False)
    options["readonly"] = service.get("read_only", False)
    options["sysctls"] = {name: str(value) for name, value in (service.get("sysctls") or {}).items()}
    words = [
        _from(project.working_dir, word)
        for word in service.get("security_opt") or []
        if unsupported.is_security(word)
    ]
    options["security_opt"] = words
    options["no_new_privileges"], options["seccomp"] = security.parse(words)
    options["devices"] = [
        {"source": one["source"], "destination": one["target"], "access": one.get("permissions") or "rwm"}
        for one in service.get("devices") or []
        if not devices.is_cdi(one["source"])
    ]
    options["cdi_devices"] = [
        one["source"] for one in service.get("devices") or [] if devices.is_cdi(one["source"])
    ]
    options["device_cgroup_rules"] = list(service.get("device_cgroup_rules") or [])


def _from(directory: str, word: str) -> str:
    """`seccomp:profile.json` with the whole path of the profile."""
    key, _, value = word.replace(":", "=", 1).partition("=")
    is_profile = key == "seccomp" and value not in ("", "unconfined")
    return f"seccomp={os.path.join(directory, value)}" if is_profile else word


def _namespaces(service: Service, record_of: Callable[[str], str]) -> dict[str, str]:
    """`pid: host`, `ipc: service:db`: which namespaces it shares, and with whom."""

    def whose(text: str) -> str:
        kind, _, name = text.partition(":")
        return f"container:{record_of(name)}" if kind == "service" else text

    return namespaces.all_of(
        pid=whose(service.get("pid") or ""),
        ipc=whose(service.get("ipc") or ""),
        uts=service.get("uts") or "",
        cgroupns=service.get("cgroup") or "",
    )


def _end(options: RunOptions, service: Service) -> None:
    """How it ends, and whether it begins again."""
    options["stop_signal"] = service.get("stop_signal", "")
    if grace := service.get("stop_grace_period"):
        options["stop_timeout"] = int(policies.duration(grace, "stop_grace_period"))
    options["restart"] = restart(service)


def restart(service: Service) -> RestartPolicy:
    """`restart`, or else what deploy.restart_policy says to one machine."""
    if text := service.get("restart"):
        return policies.restart(text)
    given = (service.get("deploy") or {}).get("restart_policy")
    if given is None:
        return policies.restart("no")
    condition = given.get("condition", "")
    name = _CONDITIONS.get(condition, condition)
    most = int(given.get("max_attempts") or 0) if name == "on-failure" else 0
    return policies.restart(f"{name}:{most}" if most else name)


def health(check: Healthcheck) -> HealthSettings | None:
    """None: the image's, unchanged."""
    test = check.get("test") or []
    if check.get("disable") or test[:1] == ["NONE"]:
        return policies.health(disable=True)
    return policies.health(
        command=" ".join(test[1:]) if test[:1] == ["CMD-SHELL"] else test[1:] or None,
        interval=check.get("interval", ""),
        timeout=check.get("timeout", ""),
        start_period=check.get("start_period", ""),
        start_interval=check.get("start_interval", ""),
        retries=check.get("retries"),
    )


def log(given: dict[str, Any]) -> Any:
    """The driver and its options; the usual one in place of one that is not here, whose options mean nothing to it."""
    driver = given.get("driver", "")
    if driver not in ("", *logging.DRIVERS):
        return logging.settings()
    options = {name: str(value) for name, value in (given.get("options") or {}).items()}
    return logging.settings(driver=driver, options=options)
