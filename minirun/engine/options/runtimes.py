"""The words of `--runtime`: a program that speaks the OCI's command line, by its name in PATH or by its path.

See  runtime/foreign.py, which runs it
"""

from __future__ import annotations

import os

from minirun.errors import UsageError


def find(name: str) -> str:
    """The path of the runtime that is called `name`, or is there.  Raises UsageError, in Docker's words."""
    directories = os.environ.get("PATH", os.defpath).split(":")
    for path in [name] if "/" in name else [f"{directory}/{name}" for directory in directories]:
        if path.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise UsageError(
        f"unknown or invalid runtime name: {name}",
        "minirun-oci, or an OCI runtime that is installed: runc, crun",
    )
