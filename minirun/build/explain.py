"""`build --explain-cache`: why each step was taken from the cache, or was not, to the file and the line.

A key says only that something is different.  So a build leaves an account of what went into its steps, one file for
each context, Dockerfile and target; the next build of the same three lays its own beside it.

    ROOT/build/last/ID.json
        steps     for each step: instruction, key, what went into the key, the files that were read (digests.py, rows)
        changes   path -> in how many builds the file had changed, of the last `builds`

    HIT   COPY requirements.txt .
    MISS  COPY . .                  src/app.go changed (content, 12 lines), src/new.go is new
    MISS  RUN make                  follows a step that ran again

Beside reasons there are hints: which file makes a step run on every build, which order of the lines would have kept an
installation, what .dockerignore could leave out.

See      cache.py, for what is in a key
By hand  jq '.steps[] | {shown, key}' /var/lib/minirun/build/last/*.json
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from minirun import files
from minirun.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.paths import Paths

    Json = dict[str, Any]
    Rows = list[list[Any]]  # digests.py: path, kind, mode, uid, gid, size, link, device, xattrs, content

_SHOWN_FILES = 5  # of one step
_SHOWN_LETTERS = 60  # of a value
_COMPARED_BYTES = 1 << 20
_OFTEN = 3  # builds in a row in which one file has changed
_WORTH_BYTES = 4096  # that a hint is about
_NAMES = {"workdir": "WORKDIR", "user": "USER", "epoch": "SOURCE_DATE_EPOCH"}
# What tools keep beside the sources, and no image needs.
_LEFT_OUT = (
    ".git",
    "node_modules",
    "__pycache__",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
    ".tox",
    "target",
    ".idea",
)
# A command that installs what such a file lists: it need not run again while the file is the same.
_LISTS = (
    *(
        "requirements.txt",
        "pyproject.toml",
        "Pipfile",
        "package.json",
        "package-lock.json",
        "go.mod",
        "go.sum",
    ),
    *("Gemfile", "Cargo.toml", "composer.json", "pom.xml"),
)
_INSTALLING = (
    *("pip install", "poetry install", "pipenv install", "uv sync", "npm install", "npm ci", "pnpm install"),
    *("yarn install", "go mod download", "bundle install", "cargo fetch", "composer install"),
)


class Account:
    """What the last build of the same context, file and target was made of."""

    def __init__(self, paths: Paths, *identity: str) -> None:
        name = hashlib.sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()[:32]
        self.paths = paths
        self.path = f"{paths.build}/last/{name}.json"
        try:
            self.before: Json = json.loads(files.read_bytes(self.path))
        except (OSError, ValueError):  # the first one, or damaged
            self.before = {"steps": [], "changes": {}, "builds": 0}

    def write(self, facts: list[Json]) -> None:
        """Leave those of this build for the next."""
        changes = dict(self.before["changes"])
        for fact in facts:
            if not fact["content"] and (then := _twin(fact, self.before["steps"])):
                fact["content"] = then["content"]  # it was not looked at again
            for path in {path for path, _ in _changed_rows(fact, _twin(fact, self.before["steps"]))}:
                changes[path] = changes.get(path, 0) + 1
        content = {"steps": facts, "changes": changes, "builds": self.before["builds"] + 1}
        files.make_private(os.path.dirname(self.path))
        files.write_whole(self.path, json.dumps(content).encode(), 0o600)

    def explain(self, facts: list[Json]) -> list[str]:
        """A line for each step, and the hints."""
        told = [self._line(fact) for fact in facts]
        hints = list(dict.fromkeys(self._hints(facts)))
        return [*told, *(f"hint: {hint}" for hint in hints)]

    def _line(self, fact: Json) -> str:
        if fact["hit"]:
            return f"HIT   {fact['label']}"
        return f"MISS  {fact['label']}: {', '.join(self.reasons(fact))}"

    def reasons(self, fact: Json) -> list[str]:
        """Why a step was done, the cause first."""
        if fact["unwanted"]:
            return [fact["unwanted"]]
        then = _twin(fact, self.before["steps"])
        if then is None:
            return ["never built before" if not self.before["steps"] else "the instruction is new here"]
        found = [*_words(fact, then), *self._files(fact, then)]
        if fact["inputs"]["parent"] != then["inputs"]["parent"]:
            found.append(_parent(fact, then))
        return found or ["its result was not in the cache any more"]

    def _files(self, fact: Json, then: Json) -> list[str]:
        changed = [self._file(path, kind, fact, then) for path, kind in _changed_rows(fact, then)]
        more = len(changed) - _SHOWN_FILES
        found = changed[:_SHOWN_FILES] + ([f"and {more} more files"] if more > 0 else [])
        if (
            not found
            and fact["inputs"]["read"] != then["inputs"]["read"]
            and fact["content"] != then["content"]
        ):
            found.append("what it reads of another stage or image is not the same any more")
        return found

    def _file(self, path: str, kinds: list[str], fact: Json, then: Json) -> str:
        name = one_line(os.fsencode(path).decode(errors="replace"))
        if kinds in (["is new"], ["is gone"]):
            return f"{name} {kinds[0]}"
        if "content" in kinds and (lines := self._lines(path, fact, then)):
            kinds[kinds.index("content") + 1 : kinds.index("content") + 1] = [lines]
        return f"{name} changed ({', '.join(kinds)})"

    def _lines(self, path: str, fact: Json, then: Json) -> str:
        """`12 lines`, if both versions are to be had: each is in the layer that its step has made."""
        old, new = (_find(f"{self.paths.layers}/{one['layer']}", path) for one in (then, fact))
        count = _lines_between(old, new) if old and new else 0
        return f"{count} line{'s' if count != 1 else ''}" if count else ""

    # -- hints --

    def _hints(self, facts: list[Json]) -> Iterator[str]:
        for fact in facts:
            yield from self._itself(fact)
            yield from self._often(fact)
            yield from self._order(fact, facts)
            yield from _ignorable(fact)

    def _often(self, fact: Json) -> Iterator[str]:
        """A file that makes this step run each time."""
        builds = self.before["builds"]
        if fact["hit"] or builds < _OFTEN:
            return
        for path, kinds in _changed_rows(fact, _twin(fact, self.before["steps"])):
            times = self.before["changes"].get(path, 0) + 1
            if times >= builds and kinds != ["is gone"]:
                yield f"{path} was another one in each of the last {times} builds: does {fact['shown']!r} need it?"

    def _itself(self, fact: Json) -> Iterator[str]:
        """The Dockerfile among the files that are copied: each change of it is one of them."""
        for path, _ in [] if fact["hit"] else _changed_rows(fact, _twin(fact, self.before["steps"])):
            if os.path.basename(path) in ("Dockerfile", ".dockerignore"):
                yield f"{fact['shown']!r} copies {path}, too: .dockerignore could leave it out"

    def _order(self, fact: Json, facts: list[Json]) -> Iterator[str]:
        """An installation that ran again although its list is the same, for it stands behind a COPY of everything."""
        if fact["hit"] or not any(word in fact["shown"] for word in _INSTALLING):
            return
        above = [one for one in facts if one["stage"] == fact["stage"] and one["place"] < fact["place"]]
        for copy in (one for one in above if one["kind"] == "copy" and not one["hit"]):
            changed = {path for path, _ in _changed_rows(copy, _twin(copy, self.before["steps"]))}
            there = [os.path.basename(row[0]) for rows in copy["rows"] for row in rows or []]
            lists = [name for name in dict.fromkeys(there) if name in _LISTS or name.endswith(".lock")]
            if changed and lists and not changed & set(lists):
                yield (
                    f"{fact['shown']!r} would have been kept with 'COPY {' '.join(lists)} .' before it and "
                    f"{copy['shown']!r} behind it"
                )


def _ignorable(fact: Json) -> Iterator[str]:
    """What a COPY brings in that .dockerignore could leave out."""
    sizes: dict[str, int] = {}
    for row in (row for rows in fact["rows"] for row in rows or [] if fact["kind"] == "copy"):
        parts = row[0].split("/")
        for index, part in enumerate(parts):
            if part in _LEFT_OUT:
                name = "/".join(parts[: index + 1])
                sizes[name] = sizes.get(name, 0) + int(row[5])
                break
    for name, size in sizes.items():
        if size < _WORTH_BYTES:
            continue
        yield f"{fact['shown']!r} brings in {name} ({_amount(size)}): .dockerignore could leave it out"


def _amount(size: int) -> str:
    return f"{size} bytes" if size < 10**4 else f"{size / 10**6:.1f} MB"


# ---- what is different ------------------------------------------------------------------------------------


def _twin(fact: Json, before: list[Json]) -> Json | None:
    """The step of the last build that this one was: the same words in the same stage, or at the same place."""
    stage = [one for one in before if one["stage"] == fact["stage"] and one["kind"] == fact["kind"]]
    same = [one for one in stage if one["shown"] == fact["shown"]]
    if same:
        return min(same, key=lambda one: abs(one["place"] - fact["place"]))
    return next((one for one in stage if one["place"] == fact["place"]), None)


def _parent(fact: Json, then: Json) -> str:
    if fact["above"] and not fact["above_hit"]:
        return "follows a step that ran again"
    if fact["above"] or then["above"]:
        return "follows another step than before"
    return f"the base {fact['base']} is another image than before"


def _words(fact: Json, then: Json) -> Iterator[str]:
    """Of the instruction itself, and of what it is expanded with."""
    now, before = fact["inputs"], then["inputs"]
    arguments = [*fact["arguments"], *then["arguments"]]
    yield from _variables(now.get("env") or {}, before.get("env") or {}, arguments)
    for key in now.keys() | before.keys():
        if key in ("parent", "read", "env") or now.get(key) == before.get(key):
            continue
        if key in ("args", "files"):
            yield _command(now, before)
        elif key == "hosts":
            yield f"--add-host: was {_hosts(before.get(key))}, is {_hosts(now.get(key))}"
        elif key in ("user", "workdir", "epoch"):
            yield f"{_NAMES[key]}: was {_value(before.get(key))}, is {_value(now.get(key))}"
        else:
            yield f"{_NAMES.get(key, key)} is {_value(now.get(key))}, was {_value(before.get(key))}"


def _command(now: Json, before: Json) -> str:
    old, new = (" ".join(one.get("args") or []) for one in (before, now))
    if old.split() == new.split():
        return "the command differs in its blanks"
    return f"the command is another one, before it was {_short(one_line(old))}"


def _hosts(pairs: object) -> str:
    return ", ".join(":".join(pair) for pair in pairs) if isinstance(pairs, list) and pairs else "none"


def _variables(now: dict[str, str], before: dict[str, str], arguments: list[str]) -> Iterator[str]:
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name):
            word = "ARG" if name in arguments else "ENV"
            yield f"{word} {name}: was {_value(before.get(name))}, is {_value(now.get(name))}"


def _value(value: object) -> str:
    return "not set" if value is None else _short(str(value)) or '""'


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[: _SHOWN_LETTERS - 3]}..."


def _changed_rows(fact: Json, then: Json | None) -> list[tuple[str, list[str]]]:
    """(path, what about it) of each file that a step reads of a context and that is not as it was."""
    if then is None:
        return []
    found = []
    for now, before in zip(fact["rows"], then["rows"], strict=False):
        if now is None or before is None:
            continue
        new, old = ({row[0]: row for row in rows} for rows in (now, before))
        for path in sorted(new.keys() | old.keys()):
            if path not in old:
                found.append((path, ["is new"]))
            elif path not in new:
                found.append((path, ["is gone"]))
            elif new[path] != old[path]:
                found.append((path, list(_about(new[path], old[path]))))
    return found


def _about(new: list[Any], old: list[Any]) -> Iterator[str]:
    if new[1] != old[1]:
        yield f"a {old[1]} before, now a {new[1]}"
        return
    if new[9] != old[9]:
        yield "content"
    if new[2] != old[2]:
        yield f"mode {old[2] & 0o7777:o}, now {new[2] & 0o7777:o}"
    if new[3:5] != old[3:5]:
        yield f"owner {old[3]}:{old[4]}, now {new[3]}:{new[4]}"
    if new[6] != old[6]:
        yield f"a link to {old[6]}, now to {new[6]}"
    if new[7:9] != old[7:9]:
        yield "device number or attributes"


def _find(layer: str, path: str) -> str:
    """Where a layer has a file of the context: COPY may have cut off the beginning of its name; "" for nowhere."""
    parts = path.split("/")
    ends = ["/".join(parts[index:]) for index in range(len(parts))]
    for end in ends:
        for directory, _, names in os.walk(layer):
            if os.path.basename(end) in names and f"{directory}/{os.path.basename(end)}".endswith(f"/{end}"):
                return f"{directory}/{os.path.basename(end)}"
    return ""


def _lines_between(old: str, new: str) -> int:
    """How many lines are different; 0 for what is no text."""
    import difflib

    texts = []
    for path in (old, new):
        if os.path.islink(path) or os.path.getsize(path) > _COMPARED_BYTES:
            return 0
        texts.append(files.read_bytes(path))
    if any(b"\0" in text for text in texts):
        return 0
    before, after = (text.splitlines() for text in texts)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return sum(
        max(end - start, other_end - other_start)
        for kind, start, end, other_start, other_end in matcher.get_opcodes()
        if kind != "equal"
    )
