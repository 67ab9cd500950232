"""Names and labels are Docker Compose's."""

from minirun import __version__
from minirun.compose import labels, names
from tests.compose_projects import project, service

DEMO = project(
    {
        "web": service(
            labels={"a": "b"},
            depends_on={
                "db": {"condition": "service_healthy", "required": True},
                "cache": {"condition": "service_started", "required": True, "restart": True},
            },
        ),
        "db": {"build": {"context": ".", "labels": {"c": "d"}}, "container_name": "mine"},
    },
    networks={"back": {"labels": {"x": "y"}}},
    volumes={"data": {}},
)
WEB, DB = DEMO.services["web"], DEMO.services["db"]


def test_names() -> None:
    assert names.container(DEMO, WEB, 2) == "demo-web-2"
    assert names.container(DEMO, DB, 1) == "mine"
    assert names.image(DEMO, WEB) == "busybox"
    assert names.image(DEMO, DB) == "demo-db"
    assert names.network(DEMO, "back") == "demo_back"
    assert names.volume(DEMO, "data") == "demo_data"


def test_a_one_off_is_named_by_the_beginning_of_its_slug() -> None:
    slug = names.slug()
    assert len(slug) == 64
    assert names.one_off(DEMO, WEB, slug) == f"demo-web-run-{slug[:12]}"


def test_labels_of_a_container() -> None:
    assert labels.of_container(DEMO, WEB, 2, config_hash="h", image_id="sha256:i") == {
        "a": "b",
        "com.docker.compose.project": "demo",
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": "2",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": "h",
        "com.docker.compose.image": "sha256:i",
        "com.docker.compose.depends_on": "cache:service_started:true,db:service_healthy:false",
        "com.docker.compose.project.working_dir": "/work/demo",
        "com.docker.compose.project.config_files": "/work/demo/compose.yaml",
        "com.docker.compose.version": __version__,
    }


def test_a_one_off_has_a_slug_and_no_number() -> None:
    made = labels.of_container(DEMO, WEB, 1, config_hash="h", image_id="i", one_off=True, slug="s")
    assert made["com.docker.compose.oneoff"] == "True"
    assert made["com.docker.compose.slug"] == "s"
    assert "com.docker.compose.container-number" not in made


def test_one_that_takes_anothers_place_says_so() -> None:
    made = labels.of_container(DEMO, WEB, 2, config_hash="h", image_id="i", replaces=True)
    assert made["com.docker.compose.replace"] == "web-2"


def test_labels_of_a_network_a_volume_and_an_image() -> None:
    shared = {"com.docker.compose.project": "demo", "com.docker.compose.version": __version__}
    hashed = {**shared, "com.docker.compose.config-hash": "h"}
    assert labels.of_network(DEMO, "back", "h") == {"x": "y", "com.docker.compose.network": "back", **hashed}
    assert labels.of_volume(DEMO, "data", "h") == {"com.docker.compose.volume": "data", **hashed}
    assert labels.of_image(DEMO, DB) == {"c": "d", "com.docker.compose.service": "db", **shared}
