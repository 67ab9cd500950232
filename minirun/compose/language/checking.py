"""Is a file in the language?  Everything that is wrong is found, not the first alone.

    compose.yaml:7:5: services.web.prots: unknown key; did you mean ports?

See  keys.py for the language
Next canonical.py
"""

from __future__ import annotations

from minirun.compose.language import keys
from minirun.compose.language.problems import Problem
from minirun.compose.language.yaml_nodes import Node


def check(tree: Node, *, lenient: bool = False) -> list[Problem]:
    """The problems of a file, its short forms spelt out.  `lenient`: its variables are still in it."""
    problems: list[Problem] = []
    keys.FILE.check(tree, "", problems, lenient)
    return problems
