"""A service's `build` section as the options of a build.

See  compose-spec build.md; build/options.py for the other side
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minirun.build import options as build_options
from minirun.compose import labels, names, secrets, service_limits
from minirun.engine.options import limits
from minirun.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

    from minirun.build.options import BuildOptions, Secret
    from minirun.compose.language.model import Project, Service


def make(project: Project, service: Service) -> BuildOptions:
    """The options of the build of its image.  Raises UsageError quoting what cannot be read."""
    build = service["build"]
    if "\0" in build["context"]:
        raise UsageError(
            f"the build context of service {service['name']} has a NUL in it", "no directory has such a name"
        )
    options = build_options.defaults(build["context"])
    options["dockerfile"] = dockerfile(build)
    options["dockerfile_inline"] = build.get("dockerfile_inline") or ""
    options["tags"] = [names.image(project, service), *(build.get("tags") or [])]
    options["target"] = build.get("target") or ""
    options["build_args"] = {
        name: str(value) for name, value in (build.get("args") or {}).items() if value is not None
    }
    options["build_contexts"] = _contexts(project, build)
    options["no_cache"] = bool(build.get("no_cache"))
    options["pull"] = bool(build.get("pull"))
    options["labels"] = labels.of_image(project, service)
    options["platform"] = platform(service)
    options["network"] = build_options.network(build.get("network") or "")
    options["extra_hosts"] = build_options.extra_hosts(build.get("extra_hosts") or [])
    options["shm_size"] = limits.size(str(build.get("shm_size") or 0), "shm_size")
    options["rlimits"] = list(service_limits.rlimits(build.get("ulimits") or {}))
    options["secrets"] = dict(_secret(project, one) for one in build.get("secrets") or [])
    options["ssh"] = build_options.ssh(_ssh(one) for one in build.get("ssh") or [])
    options["cache_from"] = build_options.cache(build.get("cache_from") or [], "cache_from")
    options["cache_to"] = build_options.cache(build.get("cache_to") or [], "cache_to")
    options["allow"] = build_options.allow(_entitlements(build))
    options["epoch"] = build_options.epoch(options["build_args"])
    return options


def dockerfile(build: dict[str, Any]) -> str:
    """Where it is: beside the context, as for `-f`, unless the path is whole; "" with an inline one."""
    name: str = build.get("dockerfile") or ""
    is_directory = "://" not in build["context"] and os.path.isdir(build["context"])
    return os.path.join(build["context"], name) if name and is_directory else name


def platform(service: Service) -> str:
    """The service's where the build may make it, else the first that the build names; "": this machine's."""
    listed = service["build"].get("platforms") or []
    wanted = service.get("platform") or ""
    if wanted and listed and wanted not in listed:
        raise UsageError(
            f'service "{service["name"]}": build.platforms must support platform {wanted}',
            f"add {wanted} to build.platforms",
        )
    return build_options.platform([wanted or listed[0]] if wanted or listed else [])


def _contexts(project: Project, build: dict[str, Any]) -> dict[str, str]:
    """`additional_contexts`; another service's is the image that was built for it."""
    found = {}
    for name, value in (build.get("additional_contexts") or {}).items():
        if value.startswith("service:"):
            other = project.services[value.removeprefix("service:")]
            value = f"docker-image://{names.image(project, other)}"
        found[build_options.context_name(name)] = value
    return found


def _secret(project: Project, one: dict[str, Any]) -> tuple[str, Secret]:
    """A secret of the project's, under the id that RUN --mount=type=secret asks for it by."""
    used = secrets.Used("secret", {"source": one["source"]}, project.secrets[one["source"]])
    given: Secret = {"file": used.file} if used.file else {"text": used.text(project)}
    return one.get("target") or one["source"], given


def _ssh(one: Any) -> str:
    """`default`, `id=path`; Docker Compose prints the latter as a mapping."""
    return "=".join(next(iter(one.items()))) if isinstance(one, dict) else str(one).replace(": ", "=", 1)


def _entitlements(build: dict[str, Any]) -> list[str]:
    return [*(build.get("entitlements") or []), *(["security.insecure"] if build.get("privileged") else [])]
