"""What a compose file may ask for and one machine, or this engine, cannot do: left out, and said by name, once."""

from __future__ import annotations

_SECURITY = ("no-new-privileges", "seccomp")  # of security_opt; the rest belongs to AppArmor and SELinux


def is_security(word: str) -> bool:
    """Whether an entry of security_opt is one that the engine acts on."""
    return word.replace(":", "=", 1).partition("=")[0] in _SECURITY
