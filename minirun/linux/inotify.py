"""Being told of changes in directories, instead of looking again and again.

See      inotify(7)
By hand  inotifywait -m DIRECTORY
"""

from __future__ import annotations

import os
import struct

from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MODIFY, IN_MOVED_TO, IN_CREATE = 0x2, 0x80, 0x100
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len; then the name, filled up with NUL


class Inotify:
    """Told of by the kernel from now on; nothing is in its queue yet.  poll(2) for `fd` tells when something is."""

    def __init__(self) -> None:
        self.fd = syscalls.inotify_init(os.O_NONBLOCK | os.O_CLOEXEC)

    def watch(self, path: str, mask: int) -> None:
        """Also tell of `mask` at `path`.  Raises SyscallError."""
        syscalls.inotify_add_watch(self.fd, path, mask)

    def read(self) -> Iterator[tuple[int, str]]:
        """(mask, name of the directory's entry) of all that has happened since the last time."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            yield mask, os.fsdecode(data[at - length : at].rstrip(b"\0"))

    def close(self) -> None:
        os.close(self.fd)
