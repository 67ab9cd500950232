"""Two files, or a service and what it extends, become one: mappings key by key, lists one behind the other.

What goes by other rules is in _RULES and _UNIQUE, by its place.  `!override` puts a value in the place of the one
below, `!reset` takes that away.  The trees have their short forms spelt out.

See  compose-spec 13-merge.md; compose-go override/merge.go, override/uncity.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minirun.compose.language.problems import Problem
from minirun.compose.language.yaml_nodes import Node, plain

Problems = list[Problem]
Path = tuple[str, ...]
Rule = Callable[[Node, Node, Path, Problems], Node]
Pattern = tuple[str, ...]


def merge(base: Node, over: Node, problems: Problems, path: Path = ()) -> Node:
    """`over` on `base`.  Neither may be used afterwards.  Tags of `over` stay, for what may be below `base`."""
    if over.tag or base.tag == "!reset":
        return over
    for pattern, rule in _RULES:
        if _matches(pattern, path):
            return rule(base, over, path, problems)
    if over.value is None:
        return base
    if isinstance(base.value, dict):
        return _merge_mappings(base, over, path, problems)
    if isinstance(base.value, list):
        return _append(base, over, path, problems)
    return over


def merge_service(base: Node, over: Node, problems: Problems) -> Node:
    """A service on the one that it extends."""
    settle(base)
    return merge(base, over, problems, ("services", "*"))


def settle(tree: Node) -> None:
    """Tags have done their work: what is reset is gone."""
    tree.tag = ""
    if isinstance(tree.value, dict):
        for key, item in list(tree.value.items()):
            if item.tag == "!reset":
                del tree.value[key]
            else:
                settle(item)
    elif isinstance(tree.value, list):
        for item in tree.value:
            settle(item)


def drop_repeated(tree: Node) -> None:
    """In lists of what can be there once, the later of two wins, in the place of the first."""
    for pattern, index in _UNIQUE:
        for node in at(tree, pattern):
            if isinstance(node.value, list):
                unique: dict[str, Node] = {}
                for number, item in enumerate(node.value):
                    unique[index(item) or f"\n{number}"] = item
                node.value = list(unique.values())


def _matches(pattern: Pattern, path: Path) -> bool:
    return len(pattern) == len(path) and all(
        a in ("*", b) or b == "*" for a, b in zip(pattern, path, strict=True)
    )


def at(tree: Node, pattern: Pattern) -> Iterator[Node]:
    """All places of a tree that fit."""
    if not pattern:
        yield tree
    elif isinstance(tree.value, dict):
        items = tree.value.values() if pattern[0] == "*" else [tree.value.get(pattern[0])]
        for item in items:
            if item:
                yield from at(item, pattern[1:])


# --- rules ---


def _merge_mappings(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return _cannot(base, over, path, problems)
    for key, item in over.value.items():
        if key in base.value:
            base.value[key] = merge(base.value[key], item, problems, (*path, key))
        else:
            base.value[key] = item
        base.keys[key] = over.keys.get(key, (item.line, item.column))
    return base


def _append(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    if not isinstance(base.value, list) or not isinstance(over.value, list):
        return _cannot(base, over, path, problems)
    there = (
        [] if any(_matches(pattern, path) for pattern, _ in _UNIQUE) else [plain(item) for item in base.value]
    )
    for item in over.value:
        if plain(item) not in there:
            base.value.append(item)
    return base


def _cannot(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    """Two kinds of things; one that is nothing gives way."""
    if over.value is None:
        return base
    if base.value is not None:
        message = f"this is {_kind(over)}, and {_kind(base)} in {base.file}:{base.line}"
        problems.append(
            Problem(
                message,
                file=over.file,
                line=over.line,
                column=over.column,
                path=".".join(path),
                hint="!override puts it in its place",
            )
        )
    return over


def _kind(node: Node) -> str:
    return (
        "a mapping"
        if isinstance(node.value, dict)
        else "a list"
        if isinstance(node.value, list)
        else "a word"
    )


def _replace(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    return over


def _merge_pairs(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    """NAME: value, or a list of NAME=value.  A name without a value takes the one below away, too."""
    if isinstance(base.value, list) and isinstance(over.value, list):
        return _append(base, over, path, problems)
    for node in (base, over):
        _spell_out_pairs(node)
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return _cannot(base, over, path, problems)
    base.value.update(over.value)
    base.keys.update(over.keys)
    return base


def _spell_out_pairs(node: Node) -> None:
    if not isinstance(node.value, list):
        return
    pairs: dict[str, Node] = {}
    for item in node.value:
        if not isinstance(item.value, str):
            return
        name, equals, value = item.value.partition("=")
        pairs[name] = Node(value if equals else None, item.line, item.column, item.file)
        node.keys[name] = item.line, item.column
    node.value = pairs


def _merge_logging(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    """Options are a driver's: those of another one are left out."""
    drivers = [_word(node, "driver") for node in (base, over)]
    if all(drivers) and drivers[0] != drivers[1]:
        return over
    return _merge_mappings(base, over, path, problems)


def _merge_pools(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    """ipam.config: pools take the place of those below, and keep what was said there of the same subnet."""
    if not isinstance(base.value, list) or not isinstance(over.value, list):
        return _cannot(base, over, path, problems)
    below = {_word(pool, "subnet"): pool for pool in base.value}
    for number, pool in enumerate(over.value):
        subnet = _word(pool, "subnet")
        if subnet in below:
            over.value[number] = _merge_mappings(below[subnet], pool, path, problems)
    return over


def _merge_hosts(base: Node, over: Node, path: Path, problems: Problems) -> Node:
    """extra_hosts: a name may have several addresses, so they add up."""
    hosts = [*_hosts(base), *_hosts(over)]
    base.value = list({item.value: item for item in hosts if isinstance(item.value, str)}.values())
    return base


def _hosts(node: Node) -> list[Node]:
    if not isinstance(node.value, dict):
        return node.value if isinstance(node.value, list) else []
    return [
        Node(f"{name}={address.value}", address.line, address.column, address.file)
        for name, addresses in sorted(node.value.items())
        for address in (addresses.value if isinstance(addresses.value, list) else [addresses])
    ]


def _word(node: Node, key: str, default: str = "") -> str:
    """A value of a mapping as text."""
    item = node.value.get(key) if isinstance(node.value, dict) else None
    return str(item.value) if item and item.value is not None else default


def _places(rule: Rule, *names: str) -> list[tuple[Pattern, Rule]]:
    return [(tuple(name.split(".")), rule) for name in names]


_RULES: list[tuple[Pattern, Rule]] = [
    *_places(
        _replace,
        "services.*.command",
        "services.*.entrypoint",
        "services.*.healthcheck.test",
        "services.*.ulimits.*",
    ),
    *_places(
        _merge_pairs,
        "services.*.annotations",
        "services.*.build.additional_contexts",
        "services.*.build.args",
        "services.*.build.labels",
        "services.*.deploy.labels",
        "services.*.environment",
        "services.*.labels",
        "services.*.sysctls",
        "networks.*.labels",
        "volumes.*.labels",
    ),
    *_places(_merge_hosts, "services.*.extra_hosts", "services.*.build.extra_hosts"),
    *_places(_merge_logging, "services.*.logging"),
    *_places(_merge_pools, "networks.*.ipam.config"),
]


# --- what can be in a list once ---


def _name(item: Node) -> str:
    return str(item.value).partition("=")[0]


def _port(item: Node) -> str:
    if not isinstance(item.value, dict):
        return str(item.value)
    address, protocol = _word(item, "host_ip", "0.0.0.0"), _word(item, "protocol", "tcp")
    return f"{address}:{_word(item, 'published')}:{_word(item, 'target')}/{protocol}"


def _target(item: Node) -> str:
    return _word(item, "target")


def _secret(item: Node) -> str:
    return _word(item, "target") or f"/run/secrets/{_word(item, 'source')}"


def _config(item: Node) -> str:
    return _word(item, "target") or f"/{_word(item, 'source')}"


def _path(item: Node) -> str:
    return _word(item, "path") or str(item.value)


def _once(index: Callable[[Node], str], *names: str) -> list[tuple[Pattern, Callable[[Node], str]]]:
    return [(tuple(name.split(".")), index) for name in names]


_UNIQUE: list[tuple[Pattern, Callable[[Node], str]]] = [
    *_once(
        _name,
        "services.*.build.tags",
        "services.*.cap_add",
        "services.*.cap_drop",
        "services.*.dns",
        "services.*.dns_opt",
        "services.*.dns_search",
        "services.*.expose",
        "services.*.links",
        "services.*.networks.*.aliases",
        "services.*.networks.*.link_local_ips",
        "services.*.profiles",
        "services.*.tmpfs",
    ),
    *_once(_port, "services.*.ports"),
    *_once(_target, "services.*.volumes", "services.*.devices"),
    *_once(_secret, "services.*.secrets"),
    *_once(_config, "services.*.configs"),
    *_once(_path, "services.*.env_file"),
]
