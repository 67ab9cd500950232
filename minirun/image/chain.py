"""Where an unpacked layer is, and how large.  Two names, because not every layer can be shared by its content alone.

    layers/<diff_id>/          a layer that says all there is to know about itself; every image shares it
    layers/chain-<chain_id>/   a layer that had to look at the layers below it (layers.py tells why)

See      image-spec config.md, "Layer DiffID" and "Layer ChainID"
Next     layers.py
"""

from __future__ import annotations

import os

from minirun.files import read_json


def diff_directory(layers: str, diff_id: str) -> str:
    return f"{layers}/{diff_id.removeprefix('sha256:')}"


def chain_directory(layers: str, diff_ids: list[str]) -> str:
    """Where the uppermost of `diff_ids` (lowest first) is when it depends on the others."""
    return chain_directories(layers, diff_ids)[-1]


def chain_directories(layers: str, diff_ids: list[str]) -> list[str]:
    """The same for each of them."""
    return [f"{layers}/chain-{chain.removeprefix('sha256:')}" for chain in chain_ids(diff_ids)]


def chain_ids(diff_ids: list[str]) -> list[str]:
    """The name of each layer together with all below it: a hash over the hashes."""
    import hashlib  # 2 ms, and most images never ask

    chains = diff_ids[:1]
    for diff_id in diff_ids[1:]:
        chains.append(f"sha256:{hashlib.sha256(f'{chains[-1]} {diff_id}'.encode()).hexdigest()}")
    return chains


def chain_id(diff_ids: list[str]) -> str:
    """The last of them: the name of the whole stack; "" for none."""
    return chain_ids(diff_ids)[-1] if diff_ids else ""


def find(layers: str, diff_ids: list[str]) -> str | None:
    """The directory of the uppermost of `diff_ids`, if it is unpacked."""
    path = diff_directory(layers, diff_ids[-1])
    if not os.path.isdir(path):
        path = chain_directory(layers, diff_ids)
    return path if os.path.isdir(path) else None


def size(path: str) -> int:
    """Bytes of the files in the layer unpacked at `path`, as counted when it was; 0 where that is lost."""
    try:
        return int(read_json(f"{path}.json")["size"])
    except (OSError, ValueError, KeyError):
        return 0


def each_once(paths: list[str]) -> list[str]:
    """`paths`, lowest first, for overlayfs, which refuses a directory twice: the upper place is what counts."""
    return [path for index, path in enumerate(paths) if path not in paths[index + 1 :]]
