"""The options of `--tmpfs /path:OPTIONS`, known before anything is made: the kernel would say EINVAL and not why.

See  tmpfs(5); moby pkg/mount MergeTmpfsOptions for the names Docker takes
"""

from __future__ import annotations

from minirun.errors import UsageError
from minirun.runtime import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 4000  # bytes of all options of one mount, which have to be in one page: mount(2), `data`
_UNITS = "kmgtpe"  # of a size, a letter of either case: the kernel's memparse()
_LARGEST_ID = 2**32 - 2
_KNOWN = ("size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "mpol")
_NOT_HERE = ("bind", "rbind", "remount")  # another kind of mount


def check(options: Iterable[str]) -> None:
    """Raises UsageError quoting the one that is wrong."""
    options, words = list(options), mounts.known()
    for option in options:
        name, equals, value = option.partition("=")
        if option in _NOT_HERE or not (option in words or (equals and name in _KNOWN)):
            hint = f"{', '.join(f'{known}=' for known in _KNOWN)}, or a word of mount(8): ro, noexec, exec"
            raise UsageError(f'invalid tmpfs option "{option}"', hint)
        if equals and (needs := _lacks(name, value)):
            raise UsageError(f'invalid tmpfs option "{option}": {needs}')
    if sum(len(option.encode()) + 1 for option in options) > LONGEST:
        raise UsageError(
            f"the options of a tmpfs are longer than {LONGEST} bytes", "each of them once is enough"
        )


def _lacks(name: str, value: str) -> str:
    """What `value` should be and is not, or ""."""
    if name == "mode":
        good = (
            value.isascii() and value.isdecimal() and not set(value) & set("89") and int(value, 8) <= 0o7777
        )
        return "" if good else "permissions are octal digits, up to 7777"
    if name in ("uid", "gid"):
        good = value.isascii() and value.isdecimal() and len(value) < 11 and int(value) <= _LARGEST_ID
        return "" if good else f"a number up to {_LARGEST_ID}, for no file of names is read here"
    if name == "mpol":
        return "" if value and value.isprintable() else "a memory policy of tmpfs(5), as in interleave"
    percent = name == "size" and value.endswith("%")
    number = value[:-1] if percent or value[-1:].lower() in tuple(_UNITS) else value
    if not (number.isascii() and number.isdecimal()) or _is_too_large(value, number):
        return "a number with k, m or g behind it" + (", or as in 10%" if name == "size" else "")
    return ""


def _is_too_large(value: str, number: str) -> bool:
    power = _UNITS.find(value[-1:].lower()) + 1 if value != number and not value.endswith("%") else 0
    return len(number) > 19 or int(number) << (10 * power) >= 2**63
