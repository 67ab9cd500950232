"""The words of `--output`: what becomes of the result of a build.

    -o DIR    type=local,dest=DIR        the tree, as files
    -o -      type=tar,dest=-            the tree, as one tar, to standard output
    --push    type=image,push=true       into the store, and from there to its registry
    --load    type=docker                into the store

See  docs.docker.com "Exporters overview"; buildkit exporter/containerimage/exptypes/keys.go
"""

from __future__ import annotations

import re

from minirun.build import attributes
from minirun.build.attributes import boolean, invalid
from minirun.errors import UnsupportedError, UsageError
from minirun.image import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("image", "local", "tar", "oci", "docker")
ARCHIVES = ("tar", "oci", "docker")  # what is one file
_COMPRESSIONS = {"uncompressed": (0, 0), "gzip": (0, 9), "zstd": (0, 22)}  # and the levels there are
_SWITCHES = (
    *("push", "force-compression", "oci-mediatypes", "rewrite-timestamp", "tar", "platform-split"),
    *("store", "unpack", "name-canonical", "prefer-nondist-layers", "attestation-inline", "push-by-digest"),
    "registry.insecure",
)
_WORDS = ("type", "dest", "name", "compression", "compression-level", "mode", "context")
_KEYS = (*_WORDS, *_SWITCHES, "dangling-name-prefix")
_ANNOTATION = re.compile(r"annotation(?:-([a-z-]+?))?(?:\[([A-Za-z0-9_/-]+)\])?\.(.+)")
_PLACES = ("manifest", "manifest-descriptor")


class Output:
    """One `--output`, its words checked."""

    def __init__(self, kind: str, dest: str = "") -> None:
        self.kind = kind  # of KINDS
        self.dest = dest  # "-": standard output; "" of a docker: the store
        self.names: list[str] = []  # name=; where it is empty, those of -t
        self.push = False
        self.compression = ""  # "": as the layers are; gzip for new ones
        self.level = -1  # -1: the usual one
        self.force = False  # layers that are packed otherwise are packed again
        self.oci = True  # the media types of manifest and layers, or Docker's
        self.rewrite_timestamp = False
        self.annotations: dict[str, dict[str, str]] = {place: {} for place in _PLACES}
        self.mode = "copy"  # of local: "delete" takes away what else is in there
        self.as_tar = True  # of oci and docker: a file, or a directory

    @property
    def is_image(self) -> bool:
        """Whether the store gets it: `type=docker` without a file is Docker's word for that."""
        return self.kind == "image" or (self.kind == "docker" and not self.dest)


# ---- from words -------------------------------------------------------------------------------------------


def parse(text: str) -> Output:
    """One `-o DIR`, `-o -` or `--output type=...,KEY=VALUE`.  Raises UsageError quoting the bad word."""
    if "=" not in text and "," not in text:
        if not text:
            raise invalid("--output", text, "it is empty")
        return Output("tar" if text == "-" else "local", text)
    words = attributes.pairs(text, "--output")
    output = _of_kind(words, text)
    _annotate(output, words, text)
    attributes.know(words, _KEYS, "--output", text)
    switches = {key: boolean(words[key], "--output", key) for key in _SWITCHES if key in words}
    _set_packing(output, words, text)
    _set_switches(output, switches)
    output.names = [name for name in words.get("name", "").split(",") if name]
    output.mode = words.get("mode", "copy")
    _check(output, text)
    return output


def _of_kind(words: dict[str, str], text: str) -> Output:
    kind = words.get("type", "")
    if kind == "registry":
        words["type"], words["push"] = "image", words.get("push", "true")
        kind = "image"
    if kind not in KINDS:
        why = f"no type '{kind}'" if kind else "it has no type"
        raise invalid("--output", text, f"{why}; there are {', '.join(KINDS)}, registry")
    return Output(kind, words.get("dest", ""))


def _set_packing(output: Output, words: dict[str, str], text: str) -> None:
    output.compression = words.get("compression", "")
    if output.compression not in ("", *_COMPRESSIONS):
        why = f"no compression '{output.compression}'; there are {', '.join(_COMPRESSIONS)}"
        raise invalid("--output", text, why)
    if level := words.get("compression-level", ""):
        least, most = _COMPRESSIONS[output.compression or "gzip"]
        if not level.isdecimal() or not least <= int(level) <= most:
            raise invalid("--output", text, f"compression-level is {least} to {most}")
        output.level = int(level)


def _set_switches(output: Output, switches: dict[str, bool]) -> None:
    output.push = switches.get("push", False)
    output.force = switches.get("force-compression", False)
    output.oci = switches.get("oci-mediatypes", True)
    output.rewrite_timestamp = switches.get("rewrite-timestamp", False)
    output.as_tar = switches.get("tar", True)
    if switches.get("registry.insecure"):
        hint = "registries.toml says which registries are insecure: docs/registries.md"
        raise UnsupportedError("--output registry.insecure=true: one build cannot decide that", hint)
    if not switches.get("store", True):
        raise UnsupportedError(
            "--output store=false: an image is pushed from the store here", "minirun rmi it"
        )
    if switches.get("push-by-digest"):
        raise UnsupportedError("--output push-by-digest=true: an image is pushed under a tag here", "-t NAME")


def _check(output: Output, text: str) -> None:
    if output.kind == "local" and output.dest in ("", "-"):
        raise invalid("--output", text, "a local output wants a directory: dest=DIR")
    if output.kind in ("tar", "oci") and not output.dest:
        raise invalid("--output", text, "it wants a file: dest=FILE, or dest=- for standard output")
    if output.kind == "image" and output.dest:
        raise invalid("--output", text, "an image goes into the store; type=oci,dest=FILE makes a file")
    if output.mode not in ("copy", "delete"):
        raise invalid("--output", text, f"mode is copy or delete, not '{output.mode}'")
    if output.push and output.kind != "image":
        raise invalid("--output", text, f"push is for type=image, not for {output.kind}")
    if not output.as_tar and (output.kind not in ("oci", "docker") or output.dest in ("", "-")):
        raise invalid("--output", text, "tar=false is for an oci output with dest=DIR")
    if output.is_image and not output.oci:
        why = "images are kept and pushed in the OCI's form here"
        raise invalid("--output", text, f"{why}; oci-mediatypes=false is for dest=FILE")
    if output.compression == "zstd" and not output.oci:
        raise invalid("--output", text, "Docker's media types have no zstd")
    for name in output.names:
        reference.of_new_image(name)


# ---- annotations ------------------------------------------------------------------------------------------


def _annotate(output: Output, words: dict[str, str], text: str) -> None:
    """Move `annotation[-PLACE][[PLATFORM]].KEY=VALUE` from the words into the output."""
    for key in [key for key in words if key.startswith("annotation") and "." in key]:
        matched = _ANNOTATION.fullmatch(key)
        if not matched:
            raise invalid("--output", text, f"'{key}' is not annotation[-PLACE].KEY")
        annotate(output, matched[1] or "manifest", matched[3], words.pop(key))


def annotate(output: Output, place: str, key: str, value: str) -> None:
    """Raises UsageError for a place that an image for one platform has not got."""
    if place in ("index", "index-descriptor"):
        raise UsageError(f"annotation {key}: an image for one platform has no index", "manifest:KEY=VALUE")
    if place not in _PLACES:
        raise UsageError(f"annotation {key}: unknown place '{place}'", f"there are {', '.join(_PLACES)}")
    output.annotations[place][key] = value


def annotation_words(entries: Iterable[str]) -> list[tuple[str, str, str]]:
    """`--annotation [PLACE[,PLACE]:]KEY=VALUE` as (place, key, value)."""
    found = []
    for entry in entries:
        name, equals, value = entry.partition("=")
        places, colon, key = name.partition(":")
        if not colon:
            places, key = "manifest", name
        if not equals or not key:
            raise UsageError(f'invalid --annotation "{entry}"', "as in org.opencontainers.image.title=app")
        found += [(place.partition("[")[0], key, value) for place in places.split(",")]
    return found
