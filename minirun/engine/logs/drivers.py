"""The log driver of a container, by its name: what takes all that its program prints.

See  options/logging.py for the names; writer.py for files, services.py for what goes to syslog and the journal
"""

from __future__ import annotations

from minirun.engine.logs import writer
from minirun.engine.options import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record


def open_writer(record: Record, directory: str) -> writer.Writer:
    """What takes the container's output; its log is in the container's `directory`."""
    log = record["options"]["log"]
    if log["driver"] == "none":
        return writer.Writer()
    options = logging.with_defaults(log)
    if log["driver"] in logging.SERVICES:
        from minirun.engine.logs import services  # most have none

        service = services.open_service(record)
        if not logging.is_kept(log):
            return service
        return services.Both([service, _file(directory, options, {})])
    return _file(directory, options, writer.attributes(record) if log["options"] else {})


def _file(directory: str, options: dict[str, str], attrs: dict[str, str]) -> writer.FileWriter:
    return writer.FileWriter(
        f"{directory}/{writer.NAME}", logging.max_size(options), logging.max_file(options), attrs
    )
