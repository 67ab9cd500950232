"""`compose ps` and others that look at a project's containers: found by their labels, without a file."""

import json

import pytest

from tests.compose_services import labels, serve

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def compose(minirun):
    """compose("ps", "-q") -> the Result of `minirun compose -p demo ps -q`, which has to work."""
    return lambda *words: minirun("compose", "-p", "demo", *words, check=True)


def test_a_row_has_the_columns_of_docker_compose(minirun, compose):
    serve(minirun, "demo", "web", "--expose", "99", "busybox", "sh", "-c", "sleep 1000")
    heading, row = compose("ps").stdout.splitlines()
    assert heading.split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]
    assert row.startswith("demo-web-1   busybox   \"sh -c 'sleep 1000'\"   web       ")


def test_those_that_have_ended_are_shown_with_all(minirun, compose):
    serve(minirun, "demo", "web", *SLEEP)
    minirun("wait", serve(minirun, "demo", "job", "busybox", "true").id, check=True)
    names = ("--format", "{{.Name}}")
    assert compose("ps", *names).stdout == "demo-web-1\n"
    assert compose("ps", "-a", *names).stdout == "demo-job-1\ndemo-web-1\n"


def test_a_status_is_asked_for_among_all(minirun, compose):
    serve(minirun, "demo", "web", *SLEEP)
    minirun("wait", serve(minirun, "demo", "job", "busybox", "true").id, check=True)
    for words in (("--status", "exited"), ("--filter", "status=exited")):
        assert compose("ps", "--services", *words).stdout == "job\n"


def test_what_run_made_is_shown_with_all(minirun, compose):
    words = ("--name", "demo-web-run-1", *labels("demo", "web", oneoff="True"))
    minirun("run", "-d", *words, *SLEEP, check=True)
    assert compose("ps", "-q").stdout == ""
    assert compose("ps", "-a", "--services").stdout == "web\n"


def test_json_has_the_fields_of_docker_compose(minirun, compose):
    serve(minirun, "demo", "web", *SLEEP)
    row = json.loads(compose("ps", "--format", "json").stdout)
    assert " ".join(row) == (
        "Command CreatedAt Engine ExitCode Health ID Image Labels LocalVolumes Mounts Name Names Networks Ports "
        "Project Publishers RunningFor Service Size State Status"
    )
    assert (row["Project"], row["Service"], row["State"], row["Publishers"]) == ("demo", "web", "running", [])


def test_publishers_are_the_ports_one_by_one(minirun, compose):
    minirun("run", "-d", "-p", "127.0.0.1:18765:80", *labels("demo", "web"), *SLEEP, check=True)
    row = json.loads(compose("ps", "--format", "json").stdout)
    port = {"URL": "127.0.0.1", "TargetPort": 80, "PublishedPort": 18765, "Protocol": "tcp"}
    assert row["Publishers"] == [port]


def test_of_another_project_nothing_is_shown(minirun, compose):
    serve(minirun, "other", "web", *SLEEP)
    assert compose("ps", "-a", "-q").stdout == ""


def test_a_filter_that_there_is_not_is_refused(minirun):
    result = minirun("compose", "-p", "demo", "ps", "--filter", "colour=red")
    assert (result.code, "invalid filter 'colour'" in result.stderr) == (1, True)


def test_a_file_that_is_broken_keeps_nobody_from_looking(minirun, tmp_path):
    (tmp_path / "compose.yaml").write_text("services: [")
    serve(minirun, "demo", "web", *SLEEP)
    file = ("compose", "-f", tmp_path / "compose.yaml", "--project-name", "demo")
    assert minirun(*file, "ps", "--services", check=True).stdout == "web\n"


def test_a_service_that_neither_runs_nor_stands_in_the_file_is_refused(minirun, tmp_path):
    (tmp_path / "compose.yaml").write_text("name: demo\nservices: {db: {image: busybox}}\n")
    serve(minirun, "demo", "web", *SLEEP)
    file = ("compose", "-f", tmp_path / "compose.yaml", "ps", "--services")
    assert minirun(*file, "web", "db", check=True).stdout == "web\n"
    refused = minirun(*file, "nosuch")
    assert (refused.code, "no such service: nosuch" in refused.stderr) == (1, True)


def test_orphans_can_be_left_out(minirun, tmp_path):
    (tmp_path / "compose.yaml").write_text("name: demo\nservices: {web: {image: busybox}}\n")
    for service in ("web", "gone"):
        serve(minirun, "demo", service, *SLEEP)
    file = ("compose", "-f", tmp_path / "compose.yaml", "ps", "--services")
    assert minirun(*file, check=True).stdout == "gone\nweb\n"
    assert minirun(*file, "--orphans=false", check=True).stdout == "web\n"


# ---- the others -------------------------------------------------------------------------------------------


def test_ls_counts_the_containers_of_each_project(minirun):
    for number in (1, 2):
        serve(minirun, "demo", "web", *SLEEP, number=number)
    minirun("wait", serve(minirun, "demo", "job", "busybox", "true").id, check=True)
    minirun("wait", serve(minirun, "gone", "job", "busybox", "true").id, check=True)
    running = {"Name": "demo", "Status": "running(2)", "ConfigFiles": "/srv/demo/compose.yaml"}
    assert json.loads(minirun("compose", "ls", "--format", "json", check=True).stdout) == [running]
    rows = json.loads(minirun("compose", "ls", "-a", "--format", "json", check=True).stdout)
    assert [row["Status"] for row in rows] == ["exited(1), running(2)", "exited(1)"]


def test_ls_filters_by_name(minirun):
    for project in ("demo", "other"):
        serve(minirun, project, "web", *SLEEP)
    assert minirun("compose", "ls", "-q", "--filter", "name=^de", check=True).stdout == "demo\n"


def test_top_names_the_service_of_each_process(minirun, compose):
    for service in ("db", "web"):
        serve(minirun, "demo", service, *SLEEP)
    heading, *rows = compose("top").stdout.splitlines()
    assert heading.split()[:3] == ["SERVICE", "#", "UID"]
    assert [(row.split()[:2], row.endswith("sleep 1000")) for row in rows] == [
        (["db", "1"], True),
        (["web", "1"], True),
    ]


def test_port_tells_where_a_port_can_be_reached(minirun, compose):
    minirun("run", "-d", "-p", "127.0.0.1:18765:80", *labels("demo", "web"), *SLEEP, check=True)
    assert compose("port", "web", "80").stdout == "127.0.0.1:18765\n"
    assert compose("port", "web").stdout == "80/tcp -> 127.0.0.1:18765\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("web", "81"), "no port 81/tcp for container demo-web-1"),
        (("web", "80", "--index", "2"), 'service "web" is not running container #2'),
        (("db", "80"), 'service "db" is not running'),
    ],
)
def test_port_says_what_is_not_there(minirun, words, said):
    serve(minirun, "demo", "web", *SLEEP)
    result = minirun("compose", "-p", "demo", "port", *words)
    assert (result.code, said in result.stderr) == (1, True)


def test_images_tells_what_each_container_was_made_from(minirun, compose):
    serve(minirun, "demo", "web", *SLEEP)
    row = json.loads(compose("images", "--format", "json").stdout)[0]
    assert (row["ContainerName"], row["Repository"], row["Tag"]) == ("demo-web-1", "busybox", "latest")
    assert compose("images", "-q").stdout == row["ID"].removeprefix("sha256:") + "\n"


def test_volumes_are_those_of_the_project_or_of_a_service(minirun, compose):
    for name in ("demo_a", "demo_b"):
        minirun("volume", "create", "--label", "com.docker.compose.project=demo", name, check=True)
    try:
        serve(minirun, "demo", "web", "-v", "demo_a:/a", *SLEEP)
        assert compose("volumes", "-q").stdout == "demo_a\ndemo_b\n"
        assert compose("volumes", "-q", "web").stdout == "demo_a\n"
    finally:
        minirun.remove_all()
        minirun("volume", "rm", "demo_a", "demo_b", check=True)


def test_stats_are_those_of_the_project(minirun, compose):
    serve(minirun, "demo", "web", *SLEEP)
    serve(minirun, "other", "web", *SLEEP)
    assert compose("stats", "--no-stream", "--format", "{{.Name}}").stdout == "demo-web-1\n"


def test_events_leave_out_the_labels_of_compose(minirun, compose):
    serve(minirun, "demo", "web", "-l", "own=label", *SLEEP)
    lines = compose("events", "--json", "--since", "1m", "--until", "0s").stdout.splitlines()
    event = json.loads(lines[-1])
    assert (event["action"], event["service"], event["type"]) == ("start", "web", "container")
    assert event["attributes"] == {"image": "busybox", "name": "demo-web-1", "own": "label"}


def test_cp_copies_into_every_container_of_a_service_and_out_of_the_first(minirun, compose, tmp_path):
    containers = [serve(minirun, "demo", "web", *SLEEP, number=number) for number in (1, 2)]
    (tmp_path / "file").write_text("text")
    compose("cp", tmp_path / "file", "web:/tmp/file")
    assert [one.exec("cat", "/tmp/file").stdout for one in containers] == ["text", "text"]
    compose("cp", "web:/tmp/file", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "text"


def test_cp_of_a_dry_run_copies_nothing(minirun, compose, tmp_path):
    serve(minirun, "demo", "web", *SLEEP)
    compose("cp", "--dry-run", "web:/etc/hostname", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_export_and_commit_take_the_container_of_the_index(minirun, compose, tmp_path):
    for number in (1, 2):
        serve(minirun, "demo", "web", *SLEEP, number=number).exec("touch", f"/tmp/{number}")
    compose("export", "--index", "2", "-o", tmp_path / "out.tar", "web")
    assert b"tmp/2\0" in (tmp_path / "out.tar").read_bytes()
    compose("commit", "--index", "2", "web", "committed")
    try:
        assert minirun("run", "--rm", "committed", "ls", "/tmp", check=True).stdout == "2\n"
    finally:
        minirun("rmi", "committed", check=True)
