"""In front of a program whose shim we talk to: our keyboard to it, its output to us, until it ends or we leave.

See  termios(3) for raw mode; engine/attached.py for the other side of it; Docker's --detach-keys
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

from minirun.cli.foreground import FORWARDED
from minirun.cli.screen import raw_terminal
from minirun.errors import UsageError
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.attached import Attached
    from minirun.engine.channel import Exit

DETACH_KEYS = b"\x10\x11"  # ctrl-p ctrl-q


def own_size() -> tuple[int, int]:
    """(rows, columns) of our terminal, asked of whichever stream is one; (0, 0) without any."""
    for fd in (0, 1, 2):
        if os.isatty(fd):
            return terminal.size(fd)
    return 0, 0


def attach(
    attached: Attached,
    *,
    interactive: bool,
    tty: bool,
    keys: bytes = DETACH_KEYS,
    signals: bool = True,
) -> Exit | None:
    """Stay until the program ends; None when the person has typed `keys` before.

    `interactive`: our input is its input; `signals`: those we get are passed on.
    """
    with raw_terminal(0) if tty and interactive else contextlib.nullcontext():
        _pass_signals(attached, tty, signals)
        keyboard = Keys(keys if tty else b"") if interactive else None
        try:
            end = _pump(attached, keyboard)
        finally:
            _stop_passing()
    if end and end.trouble:
        sys.stderr.write(f"minirun: {end.trouble}\n")
    return end


def _pass_signals(attached: Attached, tty: bool, wanted: bool) -> None:
    for number in FORWARDED if wanted else ():
        if not (
            tty and number in (signal.SIGTERM, signal.SIGHUP)
        ):  # those end us, with the terminal put right
            signal.signal(number, lambda caught, _frame: attached.send_signal(caught))
    if tty:
        signal.signal(signal.SIGWINCH, lambda *_: attached.resize(*own_size()))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _stop_passing() -> None:
    """The connection may be closed after this."""
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)


def detach_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` as the bytes that a terminal sends for it; what holds without, for "".  Raises UsageError."""
    return b"".join(map(_key, text.split(","))) if text else DETACH_KEYS


def _key(word: str) -> bytes:
    """One key: a character, DEL, or `ctrl-` and a letter or one of @ [ \\ ] ^ _ (ascii(7): its code without 64)."""
    letter = word.removeprefix("ctrl-").upper()
    if len(word) == 1 and word.isascii():
        return word.encode()
    if word.startswith("ctrl-") and len(letter) == 1 and "@" <= letter <= "_":
        return bytes([ord(letter) - 64])
    if word == "DEL":
        return b"\x7f"
    raise UsageError(
        f'invalid escape keys: "{word}"', "--detach-keys ctrl-p,ctrl-q: ctrl-LETTER or single characters"
    )


class Keys:
    """What is typed, searched for the keys that mean "leave".  Keys that may be their beginning wait for the next.

    As in Docker one that does not go on with them sends all that has waited, and begins nothing: ctrl-p twice is
    ctrl-p twice, and ctrl-q after that does not leave.  See github.com/moby/term proxy.go.
    """

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        self.held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """(what is for the program, whether to leave) after `typed` was typed."""
        if not self.keys:
            return typed, False
        passed = b""
        for number in typed:
            self.held += bytes([number])
            if self.held == self.keys:
                return passed, True
            if not self.keys.startswith(self.held):
                passed, self.held = passed + self.held, b""
        return passed, False


def _pump(attached: Attached, keyboard: Keys | None) -> Exit | None:
    """What is typed to the program, what it prints to us, until its end; None when the keys to leave were typed."""
    if not keyboard:
        return attached.follow(_write)
    poll = select.poll()
    poll.register(attached.fileno(), select.POLLIN)
    poll.register(0, select.POLLIN)
    while True:
        for fd, _events in poll.poll():
            if fd == attached.fileno():
                if end := attached.receive(_write):
                    return end
                continue
            typed = _read_input()
            if not typed:
                poll.unregister(0)
            if _pass_input(attached, keyboard, typed):
                return None


def _pass_input(attached: Attached, keyboard: Keys, typed: bytes) -> bool:
    """Send what was typed, b"" for its end; True when it is the keys to leave."""
    if not typed:
        if keyboard.held:
            attached.send_input(keyboard.held)
        attached.end_input()
        return False
    passed, leave = keyboard.feed(typed)
    if passed:
        attached.send_input(passed)
    return leave


def _write(stream: str, data: bytes) -> None:
    """Pass on what the program printed."""
    fd = 1 if stream == "stdout" else 2
    while data:
        data = data[os.write(fd, data) :]


def _read_input() -> bytes:
    """What was typed; b"" at its end."""
    try:
        return os.read(0, 32768)
    except OSError:
        return b""
