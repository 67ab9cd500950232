"""The shim's loop: parts and their turns."""

import os
import select
import time

from minirun.engine.shim import loop


class Pipe(loop.Part):
    """Counts how often its pipe was readable, and reads one byte each time."""

    def __init__(self, fd):
        self.fd, self.seen = fd, b""

    def interests(self):
        yield self.fd, select.POLLIN

    def ready(self, fd, events):
        self.seen += os.read(fd, 1)


class Alarm(loop.Part):
    def __init__(self, seconds):
        self.at, self.rang = time.monotonic() + seconds, 0

    def deadline(self):
        return loop.NEVER if self.rang else self.at

    def expired(self):
        self.rang += 1


def test_a_part_gets_what_its_descriptor_has():
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    part = Pipe(reader)
    loop.serve([part], lambda: len(part.seen) == 3)
    assert part.seen == b"abc"


def test_a_deadline_comes_once_and_not_early():
    alarm, began = Alarm(0.05), time.monotonic()
    loop.serve([alarm], lambda: alarm.rang)
    assert 0.05 <= time.monotonic() - began < 1
    assert alarm.rang == 1


def test_nothing_is_served_when_it_is_over_already():
    loop.serve([Pipe(-1)], lambda: True)


def test_a_part_that_was_taken_away_by_another_gets_no_turn():
    (one, first), (two, second) = os.pipe(), os.pipe()
    os.write(first, b"a")
    os.write(second, b"b")
    parts = []

    class Remover(Pipe):
        def ready(self, fd, events):
            super().ready(fd, events)
            parts[:] = [self]

    parts += [Remover(one), Remover(two)]
    before = list(parts)
    loop.serve(parts, lambda: len(parts) == 1)
    assert sorted(part.seen for part in before) in ([b"", b"a"], [b"", b"b"])


def test_a_part_added_by_another_is_served():
    reader, writer = os.pipe()
    os.write(writer, b"x")
    late, alarm = Pipe(reader), Alarm(0)
    parts = [alarm]
    alarm.expired = lambda: (setattr(alarm, "rang", 1), parts.append(late))
    loop.serve(parts, lambda: late.seen == b"x")


def test_a_deadline_in_a_year_is_not_too_long_for_poll():
    reader, writer = os.pipe()
    os.write(writer, b"x")
    parts = [Pipe(reader), Alarm(365 * 86400)]
    loop.serve(parts, lambda: parts[0].seen == b"x")
