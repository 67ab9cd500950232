"""Platforms: for which machine an image is made, and which others can run it as well.

    linux/arm64/v8   os/architecture[/variant], in Go's names; what people type instead is brought into that form
    arm64, aarch64   linux/arm64
    linux/x86_64     linux/amd64
    linux/arm        linux/arm/v7, for all that says no more means v7; so does armhf

A processor also runs what was made for its ancestors: an amd64/v3 takes v2, v1, at last 386; an arm/v7 takes
v6 and v5; an arm64 takes the 32-bit arm.  `compatible` lists them, the best first.

See      image-spec image-index.md, "platform"; github.com/containerd/platforms; x86-64 psABI, table 3.1
By hand  uname -m; grep -m1 flags /proc/cpuinfo
Next     manifests.py
"""

from __future__ import annotations

import os

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Platform = tuple[str, str, str]  # os, architecture, variant; the variant "" is the plain amd64 and arm64

UNKNOWN: Platform = ("unknown", "unknown", "")  # what build tools put beside an image: provenance, signatures

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LONGEST_WORD = 64
_DIGITS = "0123456789"
_ALIASES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv8l": "arm/v8",  # these and below: what uname says
    "armhf": "arm/v7",
    "armv7l": "arm/v7",
    "armel": "arm/v6",
    "armv6l": "arm/v6",
    "armv5tel": "arm/v5",
    "loongarch64": "loong64",
}
_PLAIN = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm", ""): "v7"}  # two ways to write the same
_ARCHITECTURES = (
    *("amd64", "386", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le"),
    *("ppc64", "ppc64le", "riscv64", "s390x"),
)
_SYSTEMS = ("linux", "windows", "darwin", "freebsd")
_AMD64_LEVELS = (
    {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"},
    {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
)  # what v2, v3 and v4 add, in the words of /proc/cpuinfo


def parse(text: str) -> Platform:
    """`os/architecture[/variant]`, or one of the first two alone.  Raises UsageError quoting the bad part."""
    parts = text.split("/")
    for part in parts:
        if not _is_word(part):
            raise UsageError(f"invalid platform {text!r}: {part!r} is not a name", "as in linux/arm64/v8")
    if len(parts) > 3:
        raise UsageError(f"invalid platform {text!r}: more than three parts", "as in linux/arm64/v8")
    if len(parts) > 1:
        return _normal(*parts)
    if text.lower() in _SYSTEMS:
        return _normal(text, os.uname().machine)
    platform = _normal("linux", text)
    if platform[1] not in _ARCHITECTURES:
        hint = "as in linux/arm64/v8"
        raise UsageError(f"invalid platform {text!r}: unknown operating system or architecture", hint)
    return platform


def _is_word(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_WORD and _LETTERS.issuperset(text)


def _normal(system: str, architecture: str, variant: str = "") -> Platform:
    system, architecture, variant = system.lower(), architecture.lower(), variant.lower()
    architecture, _, implied = _ALIASES.get(architecture, architecture).partition("/")
    variant = variant or implied
    if variant[:1].isdigit():
        variant = f"v{variant}"
    return system, architecture, _PLAIN.get((architecture, variant), variant)


def of(description: Any) -> Platform:
    """The platform in an index's entry, or in an image's config; UNKNOWN where it makes no sense."""
    if not isinstance(description, dict):
        return UNKNOWN
    system, architecture = description.get("os"), description.get("architecture")
    words = [system, architecture, description.get("variant") or "v"]
    if not all(isinstance(word, str) and _is_word(word) for word in words):
        return UNKNOWN
    return _normal(str(system), str(architecture), description.get("variant") or "")


def show(platform: Platform) -> str:
    return "/".join(filter(None, platform))


def own() -> Platform:
    """This machine's, with the level of an amd64 processor: `linux/amd64/v3`."""
    system, architecture, variant = _normal("linux", os.uname().machine)
    return system, architecture, _amd64_variant() if architecture == "amd64" else variant


def _amd64_variant() -> str:
    level = 1
    for wanted in _AMD64_LEVELS:
        if not wanted <= _cpu_flags():
            break
        level += 1
    return f"v{level}" if level > 1 else ""


def _cpu_flags() -> set[str]:
    """Of the first processor; the kernel takes its time to write about all of them."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        line = next((line for line in file if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())


# ---- what runs what ---------------------------------------------------------------------------------------


def compatible(platform: Platform) -> list[Platform]:
    """`platform` and all that a machine of it can run besides, the best first."""
    system, architecture, variant = platform
    found = [(architecture, older) for older in _older(architecture, variant)]
    if architecture == "amd64":
        found.append(("386", ""))
    elif architecture == "arm64":
        found += [("arm", older) for older in _older("arm", "v8")]
    return [(system, *other) for other in found]


def _older(architecture: str, variant: str) -> list[str]:
    """`variant` and those before it: v8.1 -> v8.1 and "" (v8); v9.1 is also v8.6."""
    numbers = _numbers(variant or _FIRST.get(architecture, ""))
    if numbers is None:
        return [variant]
    major, minor = numbers
    if architecture == "arm64":
        names = [f"v{major}.{number}" if number else f"v{major}" for number in range(minor, -1, -1)]
        if major == 9:
            names += _older(architecture, f"v8.{min(minor + 5, 9)}")  # v9.0 grew out of v8.5
    elif architecture in ("amd64", "arm"):
        names = [f"v{number}" for number in range(major, 4 if architecture == "arm" else 0, -1)]
    else:
        names = [variant]
    return list(dict.fromkeys([variant, *(_PLAIN.get((architecture, name), name) for name in names)]))


_FIRST = {"amd64": "v1", "arm64": "v8"}


def _numbers(variant: str) -> tuple[int, int] | None:
    """`v8.1` -> (8, 1) and `v8` -> (8, 0), each of one digit; None for what is neither."""
    digits = variant[1:].split(".")
    if variant[:1] != "v" or len(digits) > 2 or not all(len(one) == 1 and one in _DIGITS for one in digits):
        return None
    return int(digits[0]), int(digits[1]) if len(digits) == 2 else 0


def fits(config: Any, wanted: Platform) -> bool:
    """Whether an image with this config answers to `--platform`.  Many leave the variant out: any will do then."""
    image = of(config)
    return image in compatible(wanted) or (image[:2] == wanted[:2] and not config.get("variant"))


def runs_here(image: Platform) -> bool:
    """Whether this machine can run it.  The processor is asked only when the architecture leaves it open."""
    plain = _normal("linux", os.uname().machine)
    return image in compatible(plain) or image in compatible(own())


def warning(config: Any, wanted: Platform | None) -> str:
    """Docker's words about an image that is used although it is of another platform; "" if it is not."""
    image = of(config)
    if wanted:
        if fits(config, wanted):
            return ""
        return (
            f"WARNING: Pulled image with specified platform ({show(wanted)}), "
            f"but the resulting image's configured platform ({show(image)}) does not match"
        )
    if runs_here(image):
        return ""
    return (
        f"WARNING: The requested image's platform ({show(image)}) does not match "
        f"the detected host platform ({show(own())}) and no specific platform was requested"
    )
