"""The log drivers that send lines to a service: what the service gets."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minirun.engine.logs import drivers, reader, services, writer
from minirun.engine.options import log_services, logging
from minirun.errors import MinirunError, UnsupportedError, UsageError


def record(driver: str, **options: str) -> Any:
    words = {name.replace("_", "-"): value for name, value in options.items()}
    log = {"driver": driver, "options": words}
    return {
        "id": "3f1c9e2b7a40" + "0" * 52, "name": "web", "image_id": "sha256:" + "a" * 64, "args": ["sh", "-c"],
        "labels": {"team.of": "red"}, "env": ["A=1"], "options": {"image": "busybox", "log": log},
    }  # fmt: skip


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[socket.socket]:
    """A service that listens at tmp_path/log."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(5)
        yield sock


def sent(driver: Any, service: socket.socket, *writes: tuple[str, bytes]) -> list[bytes]:
    for stream, data in writes:
        driver.write(stream, data)
    driver.close()
    service.setblocking(False)
    found = []
    while True:
        try:
            found.append(service.recv(65536))
        except BlockingIOError:
            return found


def test_a_line_of_syslog(unix: socket.socket, tmp_path: Path) -> None:
    driver = services.Syslog(record("syslog", syslog_address=f"unix://{tmp_path}/log"))
    found = sent(driver, unix, ("stdout", b"one\ntw"), ("stderr", b"bad\n\n"), ("stdout", b"o"))
    begins = [re.sub(rb"> ?\w+ +\d+ [\d:]{8} ", b"> ", line) for line in found]
    pid = str(os.getpid()).encode()
    assert begins == [
        b"<30> 3f1c9e2b7a40[" + pid + b"]: one\n",
        b"<27> 3f1c9e2b7a40[" + pid + b"]: bad\n",
        b"<30> 3f1c9e2b7a40[" + pid + b"]: two\n",
    ]


def test_facility_tag_and_format(unix: socket.socket, tmp_path: Path) -> None:
    words = {"syslog_facility": "local3", "tag": "{{.Name}}/{{ .ID }}", "syslog_format": "rfc5424micro"}
    driver = services.Syslog(record("syslog", syslog_address=f"unixgram://{tmp_path}/log", **words))
    (line,) = sent(driver, unix, ("stdout", b"x\n"))
    wanted = rb"<158>1 \d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}[+-]\d\d:\d\d \S+ web/3f1c9e2b7a40 \d+ web/3f1c9e2b7a40 - x\n"
    assert re.fullmatch(wanted, line)


@pytest.mark.parametrize(
    ("form", "text"),
    [("", r"<30>\w{3} [ \d]\d [\d:]{8} web\[7\]: "), ("rfc3164", r"<30>\w{3} [ \d]\d [\d:]{8} host web\[7\]: "),
     ("rfc5424", r"<30>1 1970-01-01T[\d:]{8}[+-]\d\d:\d\d host web 7 web - ")],
)  # fmt: skip
def test_the_formats_of_syslog(form: str, text: str) -> None:
    assert re.fullmatch(text, services.header(30, form, "web", "host", 7, 86000.5))


def test_tcp_is_one_stream_of_lines() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        driver = services.Syslog(record("syslog", syslog_address=address))
        driver.write("stdout", b"one\ntwo\n")
        driver.close()
        taken, _ = server.accept()
        with taken:
            lines = taken.makefile("rb").read().splitlines()
    assert [line.rpartition(b": ")[2] for line in lines] == [b"one", b"two"]


def test_what_a_service_misses_is_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_RETRY_SECONDS", 0.0)
    address = str(tmp_path / "log")
    first = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    first.bind(address)
    driver = services.Syslog(record("syslog", syslog_address=f"unix://{address}"))
    first.close()
    (tmp_path / "log").unlink()
    driver.write("stdout", b"one\ntwo\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(address)
        found = sent(driver, second, ("stdout", b"three\n"))
    assert [line.rpartition(b"]: ")[2] for line in found] == [
        b"minirun: 2 lines were lost here\n",
        b"three\n",
    ]


def test_lines_of_tcp_that_waited_are_counted_with_those_that_were_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        driver = services.Syslog(record("syslog", syslog_address=f"tcp://127.0.0.1:{port}"))
        taken, _ = server.accept()
    driver.backlog = b"<30>one\n<30>two\n"
    taken.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )  # close() resets: socket(7)
    taken.close()
    driver.write("stdout", b"three\n")
    driver.close()
    assert driver.lost == 3


def test_lines_of_tcp_that_still_wait_at_the_end_are_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        driver = services.Syslog(record("syslog", syslog_address=f"tcp://127.0.0.1:{port}"))
        taken, _ = server.accept()
    driver.backlog = b"<30>one\n<30>two\n"
    driver.close()
    with taken:
        assert taken.makefile("rb").read() == b"<30>one\n<30>two\n"


def test_one_that_is_too_long_for_a_datagram_takes_no_other_with_it(
    unix: socket.socket, tmp_path: Path
) -> None:
    driver = services.Syslog(record("syslog", syslog_address=f"unix://{tmp_path}/log", tag="x" * (1 << 20)))
    driver.write("stdout", b"one\n")
    driver.tag = "web"
    found = sent(driver, unix, ("stdout", b"two\n"))
    assert [line.rpartition(b"]: ")[2] for line in found] == [b"minirun: 1 lines were lost here\n", b"two\n"]


def test_an_entry_of_the_journal(
    unix: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_services, "JOURNAL", str(tmp_path / "log"))
    driver = services.open_service(record("journald", labels="team.of", env="A", tag="{{.Name}}"))
    line, piece = sent(driver, unix, ("stderr", b"hello\n"), ("stdout", b"x"))
    fields = dict(text.split("=", 1) for text in line.decode().splitlines())
    assert fields.pop("CONTAINER_ID_FULL").startswith(fields["CONTAINER_ID"])
    assert fields == {
        "CONTAINER_ID": "3f1c9e2b7a40", "CONTAINER_NAME": "web", "CONTAINER_TAG": "web",
        "SYSLOG_IDENTIFIER": "web", "IMAGE_NAME": "busybox", "TEAM_OF": "red", "A": "1", "PRIORITY": "3",
        "MESSAGE": "hello",
    }  # fmt: skip
    assert b"PRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=x\n" in piece


def test_it_is_kept_for_logs_as_well(unix: socket.socket, tmp_path: Path) -> None:
    asked = record("syslog", syslog_address=f"unix://{tmp_path}/log", cache_max_file="2")
    driver = drivers.open_writer(asked, str(tmp_path))
    assert isinstance(driver, services.Both)
    driver.write("stdout", b"x\n")
    driver.close()
    assert json.loads((tmp_path / writer.NAME).read_text())["log"] == "x\n"
    reader.require_readable(asked)


def test_without_a_cache_there_is_nothing_to_read(unix: socket.socket, tmp_path: Path) -> None:
    asked = record("syslog", syslog_address=f"unix://{tmp_path}/log", cache_disabled="true")
    drivers.open_writer(asked, str(tmp_path)).close()
    assert not (tmp_path / writer.NAME).exists()
    with pytest.raises(UnsupportedError, match="does not support reading"):
        reader.require_readable(asked)


def test_a_service_that_is_not_there_fails_the_start() -> None:
    with pytest.raises(MinirunError, match="failed to initialize logging driver: /nosuch: no such file"):
        services.Syslog(record("syslog", syslog_address="unix:///nosuch"))


@pytest.mark.parametrize("driver", ["syslog", "journald"])
def test_words_that_are_no_utf8_go_out_as_they_came(
    driver: str, unix: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_services, "JOURNAL", str(tmp_path / "log"))
    options = {"syslog_address": f"unix://{tmp_path}/log"} if driver == "syslog" else {}
    made = services.open_service(record(driver, tag=os.fsdecode(b"a\xff"), **options))
    (line,) = sent(made, unix, ("stdout", b"\xfe\n"))
    assert b"a\xff" in line
    assert b"\xfe\n" in line


@pytest.mark.parametrize(
    ("text", "address"),
    [("udp://192.0.2.7", (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.7", 514))),
     ("tcp://log.example:6514", (socket.AF_INET, socket.SOCK_STREAM, ("log.example", 6514))),
     ("udp://[2001:db8::1]:5", (socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 5))),
     ("unix:///x/y", (socket.AF_UNIX, socket.SOCK_DGRAM, "/x/y"))],
)  # fmt: skip
def test_addresses(text: str, address: object) -> None:
    assert log_services.syslog_address({"syslog-address": text}) == address


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("syslog", {"syslog-address": "http://x"}, "invalid syslog-address: http://x"),
        ("syslog", {"syslog-address": "udp://x:y"}, "invalid syslog-address: udp://x:y"),
        ("syslog", {"syslog-address": "udp://"}, "invalid syslog-address: udp://"),
        ("syslog", {"syslog-address": "udp://x:65536"}, "invalid syslog-address: udp://x:65536"),
        ("syslog", {"syslog-address": "udp://é..x"}, "invalid syslog-address: udp://é..x"),
        ("syslog", {"syslog-address": f"udp://{'x' * 64}.y"}, "invalid syslog-address: udp://x"),
        ("syslog", {"syslog-facility": "local8"}, "invalid syslog facility: local8"),
        ("syslog", {"syslog-format": "x"}, "invalid syslog format: x"),
        ("syslog", {"tag": "{{.Nosuch}}"}, "invalid tag: there is no field Nosuch"),
        ("syslog", {"tag": "{{if .ID}}"}, 'invalid tag: "{{if .ID}}"'),
        ("syslog", {"max-size": "1m"}, "unknown log opt 'max-size' for syslog log driver"),
        ("syslog", {"syslog-address": "udp://127.0.0.1", "cache-max-size": "x"}, "invalid size: 'x'"),
        ("journald", {"cache-disabled": "maybe"}, "invalid value for cache-disabled: maybe"),
    ],
)
def test_options_that_make_no_sense_are_refused(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        logging.settings(driver=driver, options=options)


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("syslog", {"syslog-address": "unix:///nosuch"}, "/nosuch is not there: no syslog runs on this host"),
        ("syslog", {"syslog-address": "tcp+tls://x:1"}, "tcp+tls is not in minirun"),
        ("journald", {}, "journald is not enabled on this host"),
        ("fluentd", {}, "--log-driver fluentd is not in minirun"),
    ],
)
def test_what_this_host_has_not_is_said(
    driver: str, options: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_services, "JOURNAL", "/nosuch")
    with pytest.raises(UnsupportedError, match=re.escape(words)):
        logging.settings(driver=driver, options=options)
