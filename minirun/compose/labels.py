"""What is written on all that a project has: Docker Compose's labels, with Docker Compose's meaning.

They are the only memory there is.  `ls`, `ps` and `down` find a project by them from any directory, and so do other
programs: editors, reverse proxies, people's scripts.

By hand  minirun ps -a --filter label=com.docker.compose.project=demo
"""

from __future__ import annotations

from minirun import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.compose.language.model import Project, Service
    from minirun.engine.record_types import Record

_PREFIX = "com.docker.compose."
PROJECT = f"{_PREFIX}project"
SERVICE = f"{_PREFIX}service"
NUMBER = f"{_PREFIX}container-number"
ONE_OFF = f"{_PREFIX}oneoff"  # True for what `compose run` has made
SLUG = f"{_PREFIX}slug"  # in place of a number, of a one-off container
CONFIG_HASH = f"{_PREFIX}config-hash"
IMAGE = f"{_PREFIX}image"  # the id of the image it was made from
DEPENDS_ON = f"{_PREFIX}depends_on"  # db:service_healthy:false,cache:service_started:true
WORKING_DIR = f"{_PREFIX}project.working_dir"
CONFIG_FILES = f"{_PREFIX}project.config_files"  # with commas between
ENVIRONMENT_FILE = f"{_PREFIX}project.environment_file"
REPLACE = f"{_PREFIX}replace"  # web-1: it took the place of an earlier one
NETWORK = f"{_PREFIX}network"  # what the files call it
VOLUME = f"{_PREFIX}volume"
VERSION = f"{_PREFIX}version"  # of who wrote all this
CONFIGURATION = "io.minirun.compose.configuration"  # an annotation: what the hash is of


def of_container(
    project: Project,
    service: Service,
    number: int,
    *,
    config_hash: str,
    image_id: str,
    one_off: bool = False,
    slug: str = "",
    replaces: bool = False,
) -> dict[str, str]:
    """Of a container of the service: its own labels, and ours over them.

    A `one_off` has a `slug` and no number.  `replaces`: it takes the place of one that was there.
    """
    made = {
        **service.get("labels", {}),
        PROJECT: project.name,
        SERVICE: service["name"],
        ONE_OFF: str(one_off),
        CONFIG_HASH: config_hash,
        IMAGE: image_id,
        DEPENDS_ON: depends_on(service),
        WORKING_DIR: project.working_dir,
        CONFIG_FILES: ",".join(project.files),
        VERSION: __version__,
    }
    if project.env_files:
        made[ENVIRONMENT_FILE] = ",".join(project.env_files)
    made.update({SLUG: slug} if one_off else {NUMBER: str(number)})
    if replaces:
        made[REPLACE] = service.get("container_name") or f"{service['name']}-{number}"
    return made


def depends_on(service: Service) -> str:
    """`db:service_healthy:false`: the service, what is waited for, whether it is restarted with that one."""
    return ",".join(
        f"{name}:{one['condition']}:{'true' if one.get('restart') else 'false'}"
        for name, one in sorted(service.get("depends_on", {}).items())
    )


def of_network(project: Project, key: str, config_hash: str) -> dict[str, str]:
    """Of the network that the files call `key`."""
    return {**_given(project.networks[key]), NETWORK: key, **_shared(project), CONFIG_HASH: config_hash}


def of_volume(project: Project, key: str, config_hash: str) -> dict[str, str]:
    """Of the volume that the files call `key`."""
    return {**_given(project.volumes[key]), VOLUME: key, **_shared(project), CONFIG_HASH: config_hash}


def of_image(project: Project, service: Service) -> dict[str, str]:
    """Of an image that is built for the service."""
    return {**_given(service.get("build", {})), SERVICE: service["name"], **_shared(project)}


def _given(definition: dict[str, Any]) -> dict[str, str]:
    return dict(definition.get("labels") or {})


def _shared(project: Project) -> dict[str, str]:
    return {PROJECT: project.name, VERSION: __version__}


def configuration(record: Record) -> str:
    """What the container's hash is of, as JSON; "" where nobody has written it down."""
    return record["options"]["annotations"].get(CONFIGURATION, "")
