"""--chown and --chmod: whose the copied files are, and who may do what with them.

    --chown=1000        1000:1000           --chmod=755            these bits
    --chown=app         app and its group   --chmod=u=rwX,go-w     chmod(1)'s words; X is x for a directory, and
    --chown=app:www     by name or number                          for what somebody may execute already
    --chown=:www        root:www

Names are looked up in the image's own /etc/passwd and /etc/group.

See  passwd(5), group(5), chmod(1); moby/buildkit solver/llbsolver/file/user_linux.go
"""

from __future__ import annotations

import re
import stat

from minirun.engine import users
from minirun.errors import MinirunError, UsageError
from minirun.linux.inroot import read_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Owner = tuple[int, int]

_WHO = {"u": 0o700, "g": 0o070, "o": 0o007}
_SET_ID = {"u": stat.S_ISUID, "g": stat.S_ISGID, "o": 0}
_EVERY = {"r": 0o444, "w": 0o222, "x": 0o111}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)")


def owner(text: str, root: int) -> Owner | None:
    """(uid, gid) that --chown=TEXT means in the root filesystem `root`; None for "".  Raises MinirunError."""
    if not text:
        return None
    user, _, group = text.partition(":")
    uid, gid = _user(user, root)
    return uid, _group(group, root) if group else gid


def owner_of_workdir(user: str, root: int) -> Owner | None:
    """Whose WORKDIR's directories are after USER.  A name that is not there yet is no error: it may come later."""
    if not user:
        return None
    name, _, group = user.partition(":")
    uid = gid = 0
    try:
        uid, gid = _user(name, root)
    except MinirunError:
        pass
    try:
        gid = _group(group, root) if group else gid
    except MinirunError:
        pass
    return uid, gid


def _user(name: str, root: int) -> Owner:
    if name in ("", "root"):
        return 0, 0
    if name.isdecimal():
        number = _bounded(name)
        return number, number
    found, _ = users.resolve(name, read_in_root(f"/proc/self/fd/{root}", "/etc/passwd"), "")
    return found["uid"], found["gid"]


def _group(name: str, root: int) -> int:
    if name == "root":
        return 0
    if name.isdecimal():
        return _bounded(name)
    return users.find_group(name, read_in_root(f"/proc/self/fd/{root}", "/etc/group"))


def _bounded(number: str) -> int:
    if len(number) > 10 or int(number) > users.LARGEST:
        raise MinirunError(f"--chown {number}: uids and gids must be in range 0-{users.LARGEST}")
    return int(number)


def permissions(text: str) -> Callable[[int], int] | None:
    """What --chmod=TEXT makes of a file's st_mode, without its type; None for "".  Raises UsageError."""
    if not text:
        return None
    if text.isdecimal():
        return _octal(text)
    clauses = []
    for clause in text.split(","):
        parts = _CLAUSE.fullmatch(clause)
        if parts is None:
            raise UsageError(f"invalid chmod parameter: {text!r}", "such as 755, or u=rwX,go=rX")
        clauses.append((parts[1], _ACTION.findall(parts[2])))

    def changed(mode: int) -> int:
        bits = stat.S_IMODE(mode)
        for who, actions in clauses:
            for sign, words in actions:
                bits = _applied(bits, stat.S_ISDIR(mode), who, sign, words)
        return bits

    return changed


def _octal(text: str) -> Callable[[int], int]:
    if set(text) & {"8", "9"} or int(text, 8) > 0o7777:
        words = f"invalid chmod parameter: {text!r}. it should be octal string and between 0 and 07777"
        raise UsageError(words)
    bits = int(text, 8)
    return lambda mode: bits


def _applied(bits: int, is_directory: bool, who: str, sign: str, words: str) -> int:
    """One action as chmod(1) does it, but that without `who` the umask, which is the daemon's, does not count."""
    classes = "ugo" if who in ("", "a") or "a" in who else who
    mask = sum(_WHO[one] for one in set(classes))
    wanted = _wanted(bits, is_directory, classes, words) & (mask | 0o7000)
    if sign == "+":
        return bits | wanted
    if sign == "-":
        return bits & ~wanted
    return bits & ~(mask | sum(_SET_ID[one] for one in set(classes))) | wanted


def _wanted(bits: int, is_directory: bool, classes: str, words: str) -> int:
    """The bits that the letters after + - = stand for, in all classes; s and t only where they mean something."""
    if words in _WHO:  # as u, g or o has them
        one = (bits >> {"u": 6, "g": 3, "o": 0}[words]) & 7
        return one * 0o111
    wanted = sum(_EVERY[word] for word in set(words) & set(_EVERY))
    if "X" in words and (is_directory or bits & 0o111):
        wanted |= 0o111
    if "s" in words:
        wanted |= sum(_SET_ID[one] for one in set(classes))
    if "t" in words and classes == "ugo":
        wanted |= stat.S_ISVTX
    return wanted
