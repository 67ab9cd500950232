"""The map of the design, enforced: imports point down, and what costs or endangers something has one place.

The source is read, not run, so imports inside functions and under TYPE_CHECKING count like all others.
"""

import ast
import graphlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support import CHECKOUT

# Above imports below. Packages of one line are siblings and do not import each other, but for compose, which builds its
# images; the last may be used by all.
LAYERS = [
    {"cli"},
    {"compose", "build", "scan", "teach"},
    {"engine"},
    {"image", "network", "runtime"},
    {"linux"},
    {"errors", "paths", "files"},
    {"booleans", "jsontext", "printable"},
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
GROUND = LEVEL["errors"]
BESIDE = {("compose", "build")}

# Modules that only the named files may import, anywhere in them.
MODULES = {
    "ctypes": "linux/*",
    "click": "cli/*",
    "dnslib": "network/*",
    **dict.fromkeys(
        ["ssl", "http", "urllib.request", "urllib3", "requests", "socketserver"], "image/transport.py"
    ),
}
# Names that only the named files may use.
NAMES = {
    "os.fork": "runtime/process.py",
    "os.forkpty": "runtime/process.py",
    "pty.fork": "runtime/process.py",
    "sys.exit": "cli/*",
    **dict.fromkeys(
        ["print", "click.echo", "click.secho"], "cli/printing.py"
    ),  # the words are somebody else's
}

Source = tuple[str, str]
"""A path below the package, "runtime/init.py", and what is in it."""


def package_sources() -> list[Source]:
    package = CHECKOUT / "minirun"
    return [(str(path.relative_to(package)), path.read_text()) for path in sorted(package.rglob("*.py"))]


def imported(path: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module a file imports with its line; `from a import b` gives a and a.b, for b may be a module."""
    package = ["minirun", *Path(path).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield module, node.lineno
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def upward_imports(path: str, source: str) -> list[str]:
    """The imports of a file that do not point down."""
    here = Path(path).parts[0].removesuffix(".py")
    found = []
    for module, line in imported(path, ast.parse(source)):
        name, _, rest = module.partition(".")
        there = rest.partition(".")[0]
        if name != "minirun" or there not in LEVEL or here == "__init__":
            continue
        down = LEVEL[there] > LEVEL[here] or (there == here and LEVEL[here] != GROUND)
        down = down or (here, there) in BESIDE
        if not down:
            found.append(f"{path}:{line}: {here} imports {module}")
    return found


def quarantine_breaches(path: str, source: str) -> list[str]:
    """The imports and names of a file that belong somewhere else."""
    tree = ast.parse(source)
    found = []
    for module, line in imported(path, tree):
        for banned, place in MODULES.items():
            if (module == banned or module.startswith(f"{banned}.")) and not fnmatch(path, place):
                found.append(f"{path}:{line}: {module} belongs in {place}")
    # `from os import fork` would hide the name that is looked for below; it is an import of "os.fork".
    uses = list(imported(path, tree)) + [
        (ast.unparse(node), node.lineno) for node in ast.walk(tree) if _name(node)
    ]
    for name, line in uses:
        if name in NAMES and not fnmatch(path, NAMES[name]):
            found.append(f"{path}:{line}: {name} belongs in {NAMES[name]}")
    return found


def _name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )


def importers_of(module: str, sources: list[Source]) -> set[str]:
    return {
        path
        for path, source in sources
        for name, _ in imported(path, ast.parse(source))
        if name == module or name.startswith(f"{module}.")
    }


def pyroute2_breaches(sources: list[Source]) -> list[str]:
    """pyroute2 costs 160 ms and 24 MB: one module of network/ knows it."""
    users = sorted(importers_of("pyroute2", sources))
    outside = [path for path in users if not path.startswith("network/")]
    return outside or (users if len(users) > 1 else [])


def circle(sources: list[Source]) -> list[str]:
    """Files that import each other in a circle, the first one again at the end; [] when there is no circle.

    Imports inside functions and for the type checker count: who reads one file of a circle has to read them all.
    """
    files = {
        ".".join(["minirun", *Path(path).with_suffix("").parts]).removesuffix(".__init__"): path
        for path, _ in sources
    }
    graph = {
        path: {files[module] for module, _ in imported(path, ast.parse(source)) if module in files} - {path}
        for path, source in sources
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_every_package_has_its_place_in_the_layers() -> None:
    names = {Path(path).parts[0].removesuffix(".py") for path, _ in package_sources()} - {
        "__init__",
        "__main__",
    }
    assert names <= set(LEVEL)


def test_imports_point_down() -> None:
    assert [line for source in package_sources() for line in upward_imports(*source)] == []


def test_nothing_imports_in_a_circle() -> None:
    assert circle(package_sources()) == []


def test_quarantines_hold() -> None:
    assert [line for source in package_sources() for line in quarantine_breaches(*source)] == []


def test_pyroute2_is_known_to_one_module() -> None:
    assert pyroute2_breaches(package_sources()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("runtime/init.py", "from minirun.engine import run"),
        ("runtime/init.py", "from minirun import cli"),
        ("runtime/init.py", "import minirun.image.store"),
        ("runtime/init.py", "from ..network import bridge"),
        ("runtime/init.py", "def f():\n    from minirun.engine import run"),
        ("runtime/init.py", "if TYPE_CHECKING:\n    from minirun.engine import run"),
        ("linux/trace.py", "from minirun.runtime import init"),
        ("teach/explain.py", "from minirun.compose import up"),
        ("build/build.py", "from minirun.compose import up"),
        ("files.py", "from minirun import errors"),
        ("errors.py", "from .linux import trace"),
    ],
)
def test_an_import_that_points_up_is_found(path: str, source: str) -> None:
    assert upward_imports(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("cli/run.py", "from minirun.engine import run"),
        ("engine/create.py", "from minirun.image import store\nfrom minirun.network import bridge"),
        ("compose/images.py", "from minirun.build import build"),
        (
            "runtime/init.py",
            "from . import mounts\nfrom minirun.linux import syscalls\nfrom minirun import errors",
        ),
        ("linux/trace.py", "from minirun.errors import MinirunError"),
        ("image/store.py", "import json"),
    ],
)
def test_an_import_that_points_down_is_not_found(path: str, source: str) -> None:
    assert upward_imports(path, source) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("runtime/init.py", "import ctypes"),
        ("runtime/init.py", "import ctypes.util as c"),
        ("runtime/init.py", "from ctypes import CDLL"),
        ("engine/shim/start.py", "import os\nos.fork()"),
        ("engine/shim/start.py", "from os import fork"),
        ("engine/shim/start.py", "import pty\npty.fork()"),
        ("engine/create.py", "print('hello')"),
        ("cli/ps.py", "import click\nclick.echo('hello')"),
        ("engine/create.py", "import click"),
        ("engine/create.py", "def f():\n    import sys\n    sys.exit(1)"),
        ("image/store.py", "from urllib import request"),
        ("image/store.py", "import urllib3"),
        ("network/bridge.py", "import http.client"),
        ("cli/run.py", "import ssl"),
        ("engine/networks.py", "import dnslib"),
    ],
)
def test_a_breach_of_a_quarantine_is_found(path: str, source: str) -> None:
    assert quarantine_breaches(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("linux/syscalls.py", "import ctypes"),
        ("runtime/process.py", "import os\nos.fork()"),
        ("cli/run.py", "import click\nimport sys\nsys.exit(1)"),
        ("cli/printing.py", "import click\nclick.echo('hello')"),
        ("image/transport.py", "import ssl\nimport urllib.request"),
        ("image/reference.py", "from urllib.parse import quote"),
    ],
)
def test_what_is_in_its_place_is_not_found(path: str, source: str) -> None:
    assert quarantine_breaches(path, source) == []


@pytest.mark.parametrize(
    "sources",
    [
        [("engine/create.py", "import pyroute2")],
        [("network/a.py", "import pyroute2"), ("network/b.py", "def f():\n    from pyroute2 import IPRoute")],
    ],
)
def test_pyroute2_elsewhere_or_twice_is_found(sources: list[Source]) -> None:
    assert pyroute2_breaches(sources)


def test_pyroute2_in_one_module_of_network_is_not_found() -> None:
    assert (
        pyroute2_breaches([("network/netlink.py", "import pyroute2"), ("network/a.py", "import json")]) == []
    )


@pytest.mark.parametrize(
    "sources",
    [
        [("image/a.py", "from minirun.image import b"), ("image/b.py", "import minirun.image.a")],
        [
            ("image/a.py", "from minirun.image.b import f"),
            ("image/b.py", "def f():\n    from minirun.image import a"),
        ],
        [
            ("image/a.py", "from . import b"),
            ("image/b.py", "from .c import f"),
            ("image/c.py", "if TYPE_CHECKING:\n    from minirun.image.a import A"),
        ],
    ],
)
def test_a_circle_is_found(sources: list[Source]) -> None:
    assert set(circle(sources)) == {path for path, _ in sources}


def test_two_that_import_a_third_are_no_circle() -> None:
    both = [(name, "from minirun.image import c") for name in ("image/a.py", "image/b.py")]
    assert circle([*both, ("image/c.py", "import json")]) == []
