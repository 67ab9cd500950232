"""Layers: each tar is unpacked once into a directory that overlayfs takes as a lowerdir.

    layers/<diff_id>/  or  layers/chain-<chain_id>/   (chain.py), each with a .json beside it: {"size": bytes}
    layers/.tmp-<diff_id>-*/ being unpacked, flock(2)ed by who does it; unlocked, a crash left it, and it is cleared

Layers are directories of their own, so unlike Docker, which applies one on top of the other, they are unpacked
side by side.  A layer appears by one rename, its digests found right.  What little it needs to know of those
below (unpacking.py tells what) it looks up in a second half, lowest layer first; a layer that need not look
appears as soon as its first half is done.

See      image-spec layer.md; flock(2); rename(2)
By hand  for each layer: mkdir DIR; tar -xzf LAYER -C DIR
Next     unpacking.py
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from minirun.errors import MinirunError
from minirun.files import is_being_written, locked, make_private, remove_tree, write_json
from minirun.image import tarstream
from minirun.image.chain import chain_directory, diff_directory, find
from minirun.image.incoming import Cancelled
from minirun.image.threads import Pool
from minirun.image.unpacking import Unpacking, make_directory
from minirun.image.worker import LARGE_BYTES, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.tarstream import Limits, Readable

WORKERS = 3  # layers on their way at the same time, as Docker; each has a second thread that decompresses


# ---- a set of layers --------------------------------------------------------------------------------------


class Packed:
    """A layer as it lies in the store: a tar, mostly packed.  pull.py has one that is still to come."""

    def __init__(self, path: str, diff_id: str) -> None:
        self.path = path  # of the blob
        self.diff_id = diff_id

    @property
    def digest(self) -> str:
        return f"sha256:{os.path.basename(self.path)}"

    @property
    def size(self) -> int:
        """Bytes of the blob."""
        return os.path.getsize(self.path)

    @property
    def here(self) -> bool:
        """Whether nothing has to be fetched."""
        return True

    @contextlib.contextmanager
    def content(self) -> Iterator[Readable]:
        """What to read it from, locked: another who wants it waits, and then finds it unpacked.

        The end of what is read is reached only if the digest is right.
        """
        with open(self.path, "rb", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def cancel(self) -> None:
        """Let who waits for its content fail with Cancelled, soon."""


def unpack_all(
    layers: str,
    packed: list[Packed],
    done: Callable[[int], None] = lambda index: None,
    limits: Limits = tarstream.LIMITS,
) -> list[str]:
    """Unpack what is missing of an image; returns its layers' directories, lowest first.

    `packed` is lowest first; `done(index)` is called in that order, as each is ready.  Two processes that want
    the same layer share the work; two that nevertheless make the same directory find that the first has won.
    """
    make_private(layers)
    clear_temporary(layers)
    jobs: Jobs = {}
    with Pool(WORKERS) as pool:
        try:
            _submit(pool, layers, packed, limits, jobs)
            return _in_order(layers, packed, jobs, done, limits)
        except BaseException as error:
            _stop(pool, packed, jobs)
            clear_temporary(layers)
            raise _cause(error, jobs) from None


def unpack_blobs(
    layout: Layout,
    descriptors: list[Json],
    diff_ids: list[str],
    done: Callable[[int], None] = lambda index: None,
) -> list[str]:
    """The same for layers whose blobs are in the layout, within the limits of the file of `--config`."""
    from minirun.image import settings

    packed = [
        Packed(layout.blob_path(descriptor["digest"]), diff_id)
        for descriptor, diff_id in zip(descriptors, diff_ids, strict=True)
    ]
    return unpack_all(layout.paths.layers, packed, done, settings.load(layout.paths.registries).limits)


Unpacked = Unpacking | Worker  # here, or in a process of its own
Jobs = dict[int, "Future[Unpacked | None]"]


def _submit(pool: Pool, layers: str, packed: list[Packed], limits: Limits, jobs: Jobs) -> None:
    """Start the first half for what is missing, into `jobs`; a blob that an image has twice is started once."""
    digests = [layer.digest for layer in packed]
    diff_ids = [layer.diff_id for layer in packed]
    for index, layer in enumerate(packed):
        missing = not layer.here or find(layers, diff_ids[: index + 1]) is None
        if missing and digests.index(layer.digest) == index:
            jobs[index] = pool.submit(_first_half, layers, layer, diff_ids[: index + 1], limits)
            jobs[index].add_done_callback(lambda job: _stop_the_others(job, packed))


def _stop_the_others(job: Future[Unpacked | None], packed: list[Packed]) -> None:
    if not job.cancelled() and job.exception():
        for layer in packed:
            layer.cancel()


def _stop(pool: Pool, packed: list[Packed], jobs: Jobs) -> None:
    for layer in packed:
        layer.cancel()
    pool.shutdown(cancel_futures=True)
    for job in jobs.values():
        if not job.cancelled() and not job.exception() and (unpacking := job.result()):
            unpacking.close()


def _cause(error: BaseException, jobs: Jobs) -> BaseException:
    """The error that made the others stop, when `error` is only that of one which was stopped."""
    if not isinstance(error, Cancelled):
        return error
    errors = [job.exception() for job in jobs.values() if not job.cancelled()]
    return next((other for other in errors if other and not isinstance(other, Cancelled)), error)


def _in_order(
    layers: str, packed: list[Packed], jobs: Jobs, done: Callable[[int], None], limits: Limits
) -> list[str]:
    """The second half of each layer, lowest first, since it may look at those below."""
    directories: list[str] = []
    for index, layer in enumerate(packed):
        diff_ids = [one.diff_id for one in packed[: index + 1]]
        unpacking = jobs[index].result() if index in jobs else None
        directory = find(layers, diff_ids)
        if directory is None:  # perhaps another process's, removed since; or here twice, on different layers
            unpacking = unpacking or _first_half(layers, layer, diff_ids, limits)
        if unpacking is not None:
            directory = publish(layers, layer, unpacking, diff_ids, directories[::-1])
        directory = directory or find(layers, diff_ids)
        if directory is None:
            raise MinirunError(f"layer {diff_ids[-1]} has vanished", "minirun pull the image again")
        directories.append(directory)
        done(index)
    return directories


def _first_half(layers: str, packed: Packed, diff_ids: list[str], limits: Limits) -> Unpacked | None:
    """Fetch and unpack one layer.  None when its directory is there; else it is to be completed from those below."""
    with packed.content() as file:
        if find(layers, diff_ids) is not None:
            return None
        unpacking = unpack(layers, packed, file, limits)
        if not unpacking.depends:
            publish(layers, packed, unpacking, diff_ids, [])
            return None
    return unpacking


def remove(layers: str, names: list[str]) -> None:
    """Remove unpacked layers and their .json.  Renamed first: a layer is there whole or not at all."""
    for name in names:
        os.rename(f"{layers}/{name}", f"{layers}/.tmp-{name}")
    clear_temporary(layers)


def clear_temporary(layers: str) -> None:
    """Remove what a crash left half unpacked: whoever is still at work holds a lock on the directory."""
    with locked(f"{layers}/.lock"):
        for name in os.listdir(layers):
            if name.startswith(".tmp-"):
                _remove_unlocked(f"{layers}/{name}")


def _remove_unlocked(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:  # who was at work has come to its end
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.isdir(path):
            shutil.rmtree(path)  # follows no link
        elif not is_being_written(path):
            os.unlink(path)
    except BlockingIOError:
        pass
    finally:
        os.close(fd)


# ---- one layer --------------------------------------------------------------------------------------------


def unpack(layers: str, packed: Packed, file: Readable, limits: Limits = tarstream.LIMITS) -> Unpacked:
    """The first half: stream the tar in `file` into a new directory and check its diff_id."""
    with locked(f"{layers}/.lock"):  # else it might be cleared before it is locked
        path = f"{layers}/.tmp-{packed.diff_id.removeprefix('sha256:')}-{os.urandom(4).hex()}"
        root_fd = make_directory(path)
    unpacking = (Worker if packed.size >= LARGE_BYTES else Unpacking)(path, root_fd, limits)
    try:
        found = unpacking.stream(file)
        if found != packed.diff_id:
            raise MinirunError(f"it unpacks to {found}, and the image says {packed.diff_id}")
    except BaseException as error:
        unpacking.close()
        if isinstance(error, Exception):
            raise _layer_error(packed.digest, error) from error
        raise
    return unpacking


def _layer_error(digest: str, error: Exception) -> MinirunError:
    name = digest.removeprefix("sha256:")[:12]
    if isinstance(error, Cancelled):
        return error
    if isinstance(error, MinirunError):
        return type(error)(f"layer {name}: {error.message}", error.hint)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return MinirunError(f"layer {name}: no space left on the device", "minirun image prune")
    return MinirunError(f"layer {name}: {error}")


def publish(layers: str, packed: Packed, unpacking: Unpacked, diff_ids: list[str], below: list[str]) -> str:
    """The second half: complete the layer from those `below` (uppermost first), and rename it into its place."""
    try:
        unpacking.complete(below)
        shared = diff_directory(layers, diff_ids[-1])
        final = chain_directory(layers, diff_ids) if unpacking.depends else shared
        write_json(f"{final}.json", {"diff_id": diff_ids[-1], "size": unpacking.size})
        _rename(unpacking.path, final)
    except Exception as error:
        raise _layer_error(packed.digest, error) from error
    finally:
        unpacking.close()
    return final


def _rename(path: str, final: str) -> None:
    try:
        os.rename(path, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        remove_tree(path)  # another process has made it meanwhile
