"""Who the program runs as: `-u name|uid[:group|gid]` looked up in the image's own passwd and group files.

See  passwd(5), group(5); moby daemon/oci_linux.go for the same rules
"""

from __future__ import annotations

from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.runtime.config import User


LARGEST = 2**31 - 1  # Docker's bound; the kernel's is twice that, with -1 meaning "do not change"


def resolve(text: str, passwd: str, group: str, more: Iterable[str] = ()) -> tuple[User, str]:
    """(user for config.json, home directory) for `text` and the texts of the two files.

    `more` are groups to be in besides, names or numbers.  A uid without an entry gets gid 0 and HOME=/.
    Raises MinirunError "unable to find user".
    """
    name, _, group_name = text.partition(":")
    name = name or "0"  # `:group` is root's, in another group
    users = (fields for fields in _entries(passwd, 6) if fields[3].isdecimal())
    entry = next((fields for fields in users if name in (fields[0], fields[2])), None)
    if entry is None and not name.isdecimal():
        raise MinirunError(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(entry[2]) if entry else int(name)
    gid = int(entry[3]) if entry else 0
    groups: list[int] = []
    if group_name:
        gid = find_group(group_name, group)
    elif entry:
        groups = [int(fields[2]) for fields in _entries(group, 4) if entry[0] in fields[3].split(",")]
    # the main one, too, as in a login: or setgid programs could leave a group that files exclude (CVE-2022-36109)
    groups = list(dict.fromkeys([gid, *groups, *(find_group(name, group) for name in more)]))
    if (largest := max(uid, gid, *groups)) > LARGEST:
        raise MinirunError(f"{largest}: uids and gids must be in range 0-{LARGEST}")
    return {"uid": uid, "gid": gid, "additionalGids": groups}, (entry[5] or "/") if entry else "/"


def find_group(name: str, group: str) -> int:
    """The gid of a group by name or number.  Raises MinirunError "unable to find group"."""
    for fields in _entries(group, 3):
        if name in (fields[0], fields[2]):
            return int(fields[2])
    if name.isdecimal():
        return int(name)
    raise MinirunError(f"unable to find group {name}: no matching entries in group file")


def _entries(text: str, least: int) -> Iterator[list[str]]:
    """The lines of a passwd or group file as lists of fields; those too short or without numbers left out."""
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= least and fields[2].isdecimal():
            yield fields
