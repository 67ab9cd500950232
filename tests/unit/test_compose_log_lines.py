"""The lines of several containers: names of one width, colours in their order, each stream to its own end."""

from minirun.cli.compose.log_lines import LogLines, short_name


class Written(LogLines):
    """Keeps what would be written."""

    def __init__(self, **how):
        super().__init__(**how)
        self.written = []

    def write(self, fd, data):
        self.written.append((fd, data.decode()))


def record(service, number=1, name=""):
    labels = {"project": "demo", "service": service, "container-number": str(number)}
    return {
        "id": f"{service}{number}{name}",
        "name": name or f"demo-{service}-{number}",
        "labels": {f"com.docker.compose.{key}": value for key, value in labels.items()},
    }


def shown(lines):
    lines.flush()
    return "".join(text for _, text in lines.written)


def test_names_are_padded_to_the_longest_that_is_known():
    lines = Written()
    lines.register([record("web"), record("database")])
    lines.line(record("web"), "stdout", "text", "")
    assert shown(lines) == "web-1       | text\n"


def test_a_longer_name_widens_what_follows():
    lines = Written()
    for one in (record("web"), record("database"), record("web")):
        lines.line(one, "stdout", "x", "")
    assert shown(lines) == "web-1  | x\ndatabase-1  | x\nweb-1       | x\n"


def test_the_eleventh_container_has_the_first_colour_again():
    lines = Written(colours=True)
    every = [record("web", number) for number in range(1, 12)]
    lines.register(every)
    lines.line(every[10], "stdout", "x", "")
    assert shown(lines).startswith("\x1b[36mweb-11  | \x1b[0m")


def test_a_container_that_is_made_anew_keeps_its_colour():
    lines = Written(colours=True)
    lines.register([record("web")])
    lines.line({**record("web"), "id": "another"}, "stdout", "x", "")
    assert shown(lines) == "\x1b[36mweb-1  | \x1b[0mx\n"


def test_lines_of_both_streams_keep_their_order():
    lines = Written(prefixes=False)
    for stream, text in (("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")):
        lines.line(record("web"), stream, text, "")
    lines.flush()
    assert lines.written == [(1, "a\nb\n"), (2, "c\n"), (1, "d\n")]


def test_an_end_says_whether_it_is_one():
    lines = Written()
    lines.ended(record("web"), 2, restarting=True)
    lines.ended(record("web"), 0, restarting=False)
    assert shown(lines) == "web-1 exited with code 2 (restarting)\nweb-1 exited with code 0\n"


def test_a_name_of_ones_own_is_shown_whole():
    assert short_name(record("web", name="demo-proxy")) == "demo-proxy"


def test_the_name_of_compatibility_is_short_as_well():
    assert short_name(record("web", name="demo_web_1")) == "web_1"
