"""Projects in canonical form, for tests that begin behind the language."""

from typing import Any

from minirun.compose.language.model import Project


def project(services: dict[str, dict[str, Any]], **others: dict[str, Any]) -> Project:
    """A project `demo` in /work/demo with these services; `others` are its networks, volumes, secrets and configs.

    What has no name there gets the one that the language would give it.
    """
    made = Project("demo", "/work/demo")
    made.files = ["/work/demo/compose.yaml"]
    made.services = {name: {"name": name, **service} for name, service in services.items()}  # type: ignore[typeddict-item]
    others.setdefault("networks", {"default": {}})
    for kind, defined in others.items():
        setattr(made, kind, {key: {"name": f"demo_{key}", **given} for key, given in defined.items()})
    return made


def service(**keys: Any) -> dict[str, Any]:
    """A service as the language makes it when nothing more is said."""
    return {"image": "busybox", "networks": {"default": None}, **keys}
