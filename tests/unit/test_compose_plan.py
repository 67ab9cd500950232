"""What is there, what is wanted, and so what is to be done: a table, without a container."""

import hashlib
from typing import Any

import pytest

from minirun.compose import labels, names, plan, plan_down
from minirun.compose.choice import Choice
from minirun.compose.language.model import Project
from minirun.compose.observed import Container, Observed
from minirun.errors import ConflictError, NotFoundError, UsageError

# ---- the small language of the table ------------------------------------------------------------------------------


def service(**keys: Any) -> dict[str, Any]:
    """One of the file, on the default network; `after` is its depends_on."""
    made: dict[str, Any] = {"image": "busybox", "networks": {"default": None}}
    conditions = {
        name: {"condition": f"service_{condition}", "required": True}
        for name, condition in keys.pop("after", {}).items()
    }
    if conditions:
        made["depends_on"] = conditions
    made.update(keys)
    return made


def project(services: dict[str, dict[str, Any]], **parts: Any) -> Project:
    made = Project("p", "/p")
    for name, keys in services.items():
        made.services[name] = {"name": name, **keys}  # type: ignore[typeddict-item]
    made.networks = {"default": {"name": "p_default"}, **parts.get("networks", {})}
    made.volumes = parts.get("volumes", {})
    made.disabled = parts.get("disabled", {})
    return made


def id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def container(text: str) -> Container:
    """`web-1`, `web-2 exited`, `web-1 old` (another configuration), `web-1 image` (another image)...

    `alone` is on no network; `bare` has no volume; `run` is of compose run; `for:db-1` is to come for it; `after:db`.
    """
    place, *words = text.split()
    name, _, number = place.rpartition("-")
    options = dict(word.split(":") for word in words if ":" in word)
    status = next((one for one in ("created", "exited", "paused", "restarting") if one in words), "running")
    found = {
        labels.PROJECT: "p",
        labels.SERVICE: name,
        labels.NUMBER: number,
        labels.ONE_OFF: "True" if "run" in words else "False",
        labels.CONFIG_HASH: "old" if "old" in words else f"hash of {name}",
        labels.DEPENDS_ON: ",".join(
            f"{one}:service_started:false" for one in options.get("after", "").split("+") if one
        ),
    }
    record = {
        "id": id_of(text),
        "name": names.coming(id_of(options["for"]), f"p-{place}") if "for" in options else f"p-{place}",
        "labels": found,
        "image": "busybox",
        "image_id": "sha256:old" if "image" in words else "sha256:busybox",
        "annotations": {},
        "options": {"annotations": {}},
        "mounts": [] if "bare" in words else [{"name": "p_data"}],
        "attachments": [] if "alone" in words else [{"network": "p_default"}, {"network": "p_front"}],
        "state": {"status": status, "exit_code": 0, "health": None, "error": ""},
    }
    return Container(record)  # type: ignore[arg-type]


def network(name: str, hash_of: str = "now", project: str = "p") -> dict[str, Any]:
    found = {labels.PROJECT: project, labels.CONFIG_HASH: hash_of} if project else {}
    return {"name": name, "labels": found, "endpoints": {}}


def there(*found: str, networks: Any = None, volumes: Any = None) -> Observed:
    if networks is None:
        networks = [network("p_default"), network("p_front")] if found else []
    made = {one["name"]: one for one in networks}
    return Observed([container(text) for text in found], made, volumes or {})


def volume(name: str, project: str = "p", hash_of: str = "now") -> dict[str, Any]:
    found = {labels.PROJECT: project, labels.CONFIG_HASH: hash_of} if project else {}
    return {name: {"name": name, "labels": found}}


def facts(wanted: Project, image_ids: dict[str, str] | None = None) -> plan.Facts:
    made = plan.Facts()
    made.config_hashes = {name: f"hash of {name}" for name in wanted.services}
    made.configurations = dict.fromkeys(wanted.services, "{}")
    made.image_ids = image_ids or dict.fromkeys(wanted.services, "sha256:busybox")
    made.network_hashes = dict.fromkeys(wanted.networks, "now")
    made.volume_hashes = dict.fromkeys(wanted.volumes, "now")
    return made


def planned(wanted: Project, found: Observed, **choice: Any) -> plan.Plan:
    return plan.up(wanted, found, facts(wanted), Choice(**choice))


def acts(made: plan.Plan) -> list[str]:
    """`start p-web-1 < create p-web-1`: an act and what it comes after; what stays as it is is left out."""
    return [
        " < ".join([repr(action), *([", ".join(sorted(map(repr, action.after)))] if action.after else [])])
        for action in made
        if action.kind != "leave"
    ]


WEB = {"web": service()}
TWO = {"web": service(after={"db": "started"}), "db": service()}
HEALTHY = {"web": service(after={"db": "healthy"}), "db": service()}
RESTARTING = {
    "web": service(depends_on={"db": {"condition": "service_started", "required": True, "restart": True}}),
    "db": service(),
}
SIDECAR = {
    "side": service(network_mode="service:web", networks={}, after={"web": "started"}),
    "web": service(),
}
DATA = {
    "db": service(volumes=[{"type": "volume", "source": "data", "target": "/d"}]),
}
NEW_WEB = ["create p-web-1 < create network p_default", "start p-web-1 < create p-web-1"]

TABLE: list[tuple[str, Project, Observed, dict[str, Any], list[str]]] = [
    ("nothing there", project(WEB), there(), {}, ["create network p_default", *NEW_WEB]),
    (
        "nothing there, only to be made",
        project(WEB),
        there(),
        {"start": False},
        ["create network p_default", NEW_WEB[0]],
    ),
    ("all there", project(WEB), there("web-1"), {}, []),
    ("stopped", project(WEB), there("web-1 exited"), {}, ["start p-web-1 < leave p-web-1"]),
    ("made and never started", project(WEB), there("web-1 created"), {}, ["start p-web-1 < leave p-web-1"]),
    ("stopped, only to be made", project(WEB), there("web-1 exited"), {"start": False}, []),
    ("paused", project(WEB), there("web-1 paused"), {}, ["unpause p-web-1 < leave p-web-1"]),
    ("restarting", project(WEB), there("web-1 restarting"), {}, []),
    (
        "another configuration",
        project(WEB),
        there("web-1 old"),
        {},
        ["remake p-web-1", "start p-web-1 < remake p-web-1"],
    ),
    (
        "another image",
        project(WEB),
        there("web-1 image"),
        {},
        ["remake p-web-1", "start p-web-1 < remake p-web-1"],
    ),
    ("another configuration, --no-recreate", project(WEB), there("web-1 old"), {"recreate": "never"}, []),
    (
        "--no-recreate starts what stands",
        project(WEB),
        there("web-1 old exited"),
        {"recreate": "never"},
        ["start p-web-1 < leave p-web-1"],
    ),
    (
        "--force-recreate",
        project(WEB),
        there("web-1"),
        {"recreate": "force"},
        ["remake p-web-1", "start p-web-1 < remake p-web-1"],
    ),
    (
        "taken off its network",
        project(WEB),
        there("web-1 alone"),
        {},
        ["remake p-web-1", "start p-web-1 < remake p-web-1"],
    ),
    # ---- scale
    (
        "one more",
        project(WEB),
        there("web-1"),
        {"scale": {"web": 2}},
        ["create p-web-2", "start p-web-2 < create p-web-2"],
    ),
    ("one less: the highest goes", project(WEB), there("web-1", "web-2"), {}, ["remove p-web-2"]),
    (
        "one less: what is obsolete goes first",
        project(WEB),
        there("web-1 old", "web-2"),
        {},
        ["remove p-web-1"],
    ),
    (
        "to nothing",
        project(WEB),
        there("web-1", "web-2"),
        {"scale": {"web": 0}},
        ["remove p-web-1", "remove p-web-2"],
    ),
    (
        "gaps stay",
        project({"web": service(scale=3)}),
        there("web-1", "web-3"),
        {},
        ["create p-web-4", "start p-web-4 < create p-web-4"],
    ),
    (
        "the file's scale",
        project({"web": service(deploy={"replicas": 2})}),
        there("web-1"),
        {},
        ["create p-web-2", "start p-web-2 < create p-web-2"],
    ),
    (
        "the command's scale wins",
        project({"web": service(scale=3)}),
        there("web-1"),
        {"scale": {"web": 1}},
        [],
    ),
    (
        "all replicas are made anew",
        project({"web": service(scale=2)}),
        there("web-1 old", "web-2 old"),
        {},
        [
            "remake p-web-1",
            "remake p-web-2",
            "start p-web-1 < remake p-web-1",
            "start p-web-2 < remake p-web-2",
        ],
    ),
    (
        "only the replica that differs",
        project({"web": service(scale=2)}),
        there("web-1", "web-2 old"),
        {},
        ["remake p-web-2", "start p-web-2 < remake p-web-2"],
    ),
    # ---- names
    (
        "a container_name",
        project({"web": service(container_name="mine")}),
        there(networks=[network("p_default")]),
        {},
        ["create mine", "start mine < create mine"],
    ),
    (
        "killed between two containers: the half made one goes",
        project(WEB),
        there("web-1", "web-1 created for:web-1"),
        {},
        [f"remove {id_of('web-1')[:12]}_p-web-1"],
    ),
    (
        "killed between two containers, and made anew: the new one gets the name of the half made one",
        project(WEB),
        there("web-1", "web-1 created for:web-1"),
        {"recreate": "force"},
        [
            f"remove {id_of('web-1')[:12]}_p-web-1",
            f"remake p-web-1 < remove {id_of('web-1')[:12]}_p-web-1",
            "start p-web-1 < remake p-web-1",
        ],
    ),
    (
        "killed before the new one had its name",
        project(WEB),
        there("web-1 created for:gone"),
        {},
        ["rename p-web-1", "start p-web-1 < rename p-web-1"],
    ),
    # ---- dependencies
    (
        "behind what it depends on",
        project(TWO),
        there(),
        {},
        [
            "create network p_default",
            "create p-db-1 < create network p_default",
            "create p-web-1 < create network p_default",
            "start p-db-1 < create p-db-1",
            "start p-web-1 < create p-web-1, start p-db-1",
        ],
    ),
    (
        "behind one that is healthy",
        project(HEALTHY),
        there(networks=[network("p_default")]),
        {},
        [
            "create p-db-1",
            "create p-web-1",
            "start p-db-1 < create p-db-1",
            "wait p-db-1 service_healthy < start p-db-1",
            "start p-web-1 < create p-web-1, wait p-db-1 service_healthy",
        ],
    ),
    (
        "one that runs already is waited for, too",
        project(HEALTHY),
        there("db-1"),
        {},
        [
            "create p-web-1",
            "wait p-db-1 service_healthy < leave p-db-1",
            "start p-web-1 < create p-web-1, wait p-db-1 service_healthy",
        ],
    ),
    ("nobody waits when all run", project(HEALTHY), there("db-1", "web-1"), {}, []),
    (
        "each replica of what it depends on",
        project({"web": service(after={"db": "healthy"}), "db": service(scale=2)}),
        there("db-1", "db-2"),
        {},
        [
            "create p-web-1",
            "wait p-db-1 service_healthy < leave p-db-1",
            "wait p-db-2 service_healthy < leave p-db-2",
            "start p-web-1 < create p-web-1, wait p-db-1 service_healthy, wait p-db-2 service_healthy",
        ],
    ),
    (
        "two that wait for the same share it",
        project(
            {"a": service(after={"db": "healthy"}), "b": service(after={"db": "healthy"}), "db": service()}
        ),
        there("db-1"),
        {},
        [
            "create p-a-1",
            "create p-b-1",
            "wait p-db-1 service_healthy < leave p-db-1",
            "start p-a-1 < create p-a-1, wait p-db-1 service_healthy",
            "start p-b-1 < create p-b-1, wait p-db-1 service_healthy",
        ],
    ),
    (
        "an init container runs again",
        project({"web": service(after={"init": "completed_successfully"}), "init": service()}),
        there("init-1 exited", "web-1 exited"),
        {},
        [
            "start p-init-1 < leave p-init-1",
            "wait p-init-1 service_completed_successfully < start p-init-1",
            "start p-web-1 < leave p-web-1, wait p-init-1 service_completed_successfully",
        ],
    ),
    (
        "what it depends on is made anew, it stays",
        project(TWO),
        there("db-1 old", "web-1"),
        {},
        ["remake p-db-1", "start p-db-1 < remake p-db-1"],
    ),
    (
        "restart: true stops it meanwhile",
        project(RESTARTING),
        there("db-1 old", "web-1"),
        {},
        [
            "stop p-web-1",
            "remake p-db-1 < stop p-web-1",
            "start p-db-1 < remake p-db-1",
            "start p-web-1 < start p-db-1, stop p-web-1",
        ],
    ),
    (
        "restart: true leaves one alone that does not run",
        project(RESTARTING),
        there("db-1 old", "web-1 exited"),
        {"start": False},
        ["remake p-db-1"],
    ),
    # ---- some services only
    (
        "one service, with what it depends on",
        project({**TWO, "other": service()}),
        there("other-1"),
        {"services": ["web"]},
        [
            "create p-db-1",
            "create p-web-1",
            "start p-db-1 < create p-db-1",
            "start p-web-1 < create p-web-1, start p-db-1",
        ],
    ),
    (
        "one service, --no-deps",
        project(TWO),
        there(networks=[network("p_default")]),
        {"services": ["web"], "dependencies": False},
        ["create p-web-1", "start p-web-1 < create p-web-1"],
    ),
    (
        "the others are left alone",
        project({**WEB, "b": service()}),
        there("web-1", "b-1 old"),
        {"services": ["web"]},
        [],
    ),
    (
        "--force-recreate is for those that are named",
        project(TWO),
        there("db-1", "web-1"),
        {"services": ["web"], "recreate": "force"},
        ["remake p-web-1", "start p-web-1 < leave p-db-1, remake p-web-1"],
    ),
    (
        "--always-recreate-deps",
        project(TWO),
        there("db-1", "web-1"),
        {"services": ["web"], "recreate_dependencies": "force"},
        ["remake p-db-1", "start p-db-1 < remake p-db-1"],
    ),
    (
        "a dependency that has changed is made anew",
        project(TWO),
        there("db-1 old", "web-1"),
        {"services": ["web"]},
        ["remake p-db-1", "start p-db-1 < remake p-db-1"],
    ),
    # ---- what lives with another
    (
        "it goes with whom it lives with",
        project(SIDECAR),
        there("web-1 old", "side-1"),
        {},
        [
            "remake p-web-1",
            "remake p-side-1 < remake p-web-1",
            "start p-web-1 < remake p-web-1",
            "start p-side-1 < remake p-side-1, start p-web-1, start p-web-1",
        ],
    ),
    (
        "it is made behind whom it lives with",
        project(SIDECAR),
        there(networks=[network("p_default")]),
        {"start": False},
        ["create p-web-1", "create p-side-1 < create p-web-1"],
    ),
    # ---- networks and volumes
    (
        "a network that has changed",
        project(WEB),
        there("web-1", networks=[network("p_default", "before")]),
        {},
        [
            "stop p-web-1",
            "remake network p_default < stop p-web-1",
            "remake p-web-1 < remake network p_default",
            "start p-web-1 < remake p-web-1",
        ],
    ),
    (
        "a network of somebody else",
        project(WEB),
        there(networks=[network("p_default", project="q")]),
        {},
        ["create p-web-1", "start p-web-1 < create p-web-1"],
    ),
    (
        "an external network",
        project(
            {"web": service(networks={"out": None})}, networks={"out": {"name": "out", "external": True}}
        ),
        there(networks=[network("out", project="")]),
        {},
        ["create p-web-1", "start p-web-1 < create p-web-1"],
    ),
    (
        "a network that nobody uses",
        project({"web": service(network_mode="none", networks={})}),
        there(),
        {},
        ["create p-web-1", "start p-web-1 < create p-web-1"],
    ),
    (
        "a volume",
        project(DATA, volumes={"data": {"name": "p_data"}}),
        there(networks=[network("p_default")]),
        {},
        ["create volume p_data", "create p-db-1 < create volume p_data", "start p-db-1 < create p-db-1"],
    ),
    (
        "a volume that is there",
        project(DATA, volumes={"data": {"name": "p_data"}}),
        there("db-1", volumes=volume("p_data")),
        {},
        [],
    ),
    (
        "a volume that it lacks",
        project(DATA, volumes={"data": {"name": "p_data"}}),
        there("db-1 bare", volumes=volume("p_data")),
        {},
        ["remake p-db-1", "start p-db-1 < remake p-db-1"],
    ),
    (
        "an external volume",
        project(DATA, volumes={"data": {"name": "p_data", "external": True}}),
        there("db-1", volumes=volume("p_data", project="")),
        {},
        [],
    ),
    # ---- orphans
    ("an orphan stays", project(WEB), there("web-1", "old-1"), {}, []),
    ("--remove-orphans", project(WEB), there("web-1", "old-1"), {"remove_orphans": True}, ["remove p-old-1"]),
    (
        "one that a profile turns off is no orphan",
        project(WEB, disabled={"tool": service()}),
        there("web-1", "tool-1"),
        {"remove_orphans": True},
        [],
    ),
    (
        "a run that has ended is one, one that goes on is none",
        project(WEB),
        there("web-1", "web-2 run", "web-3 run exited"),
        {"remove_orphans": True},
        ["remove p-web-3"],
    ),
]


@pytest.mark.parametrize(
    ("wanted", "found", "choice", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_up(wanted: Project, found: Observed, choice: dict[str, Any], expected: list[str]) -> None:
    assert acts(planned(wanted, found, **choice)) == expected


# ---- what cannot be, and what is said ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "choice", "words"),
    [
        (project({"web": service(container_name="x")}), {"scale": {"web": 2}}, 'custom container name "x"'),
        (
            project({"web": service(ports=[{"target": 80, "published": "8080", "protocol": "tcp"}])}),
            {"scale": {"web": 2}},
            "publishes port 8080",
        ),
        (
            project(
                {"web": service(networks={"out": None})}, networks={"out": {"name": "out", "external": True}}
            ),
            {},
            "network out declared as external, but could not be found",
        ),
        (
            project(DATA, volumes={"data": {"name": "d", "external": True}}),
            {},
            'external volume "d" not found',
        ),
        (project(WEB), {"services": ["wob"]}, "no such service: wob"),
        (
            project({"a": service(after={"b": "started"}), "b": service(after={"a": "started"})}),
            {},
            "dependency cycle detected: a -> b -> a",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(wanted: Project, choice: Any, words: str) -> None:
    with pytest.raises((ConflictError, NotFoundError, UsageError), match=words):
        planned(wanted, there(), **choice)


def test_a_range_of_ports_is_enough_for_as_many() -> None:
    wanted = project({"web": service(ports=[{"target": 80, "published": "8080-8081", "protocol": "tcp"}])})
    assert len(planned(wanted, there(), scale={"web": 2}).of("create")) == 2


def test_orphans_are_told() -> None:
    made = planned(project(WEB), there("web-1", "old-1"))
    assert "Found orphan containers (p-old-1) for this project." in made.warnings[0]


def test_a_network_of_somebody_else_is_told() -> None:
    made = planned(project(WEB), there(networks=[network("p_default", project="q")]))
    assert 'a network with name p_default exists but was not created for project "p"' in made.warnings[0]


def test_a_volume_of_somebody_else_is_told() -> None:
    found = there(networks=[network("p_default")], volumes=volume("p_data", project="q"))
    made = planned(project(DATA, volumes={"data": {"name": "p_data"}}), found)
    assert 'was created for project "q" (expected "p")' in made.warnings[0]


def test_a_volume_that_has_changed_is_told_and_stays() -> None:
    found = there("db-1", volumes=volume("p_data", hash_of="before"))
    made = planned(project(DATA, volumes={"data": {"name": "p_data"}}), found)
    assert 'volume "p_data" is not as the file has it by now' in made.warnings[0]
    assert acts(made) == []


def test_a_network_that_has_changed_is_left_while_others_are_on_it() -> None:
    changed = {**network("p_default", "before"), "endpoints": {"guest": {"name": "guest"}}}
    with pytest.raises(ConflictError, match="cannot be made anew: guest is on it"):
        planned(project(WEB), there("web-1", networks=[changed]))


def test_each_act_has_its_reason() -> None:
    wanted = project(TWO)
    made = plan.up(wanted, there("web-1 image", "db-1 old"), facts(wanted), Choice())
    assert {repr(action): action.why for action in made.of("remake")} == {
        "remake p-db-1": ["its configuration has changed"],
        "remake p-web-1": ["image old -> busybox"],
    }


# ---- down ----------------------------------------------------------------------------------------------------------


def taken_down(wanted: Project | None, found: Observed, **wish: Any) -> list[str]:
    return acts(plan_down.down(wanted, "p", found, plan_down.Down(**wish)))


def test_down_begins_with_those_that_depend_on_others() -> None:
    found = there("web-1 after:db", "db-1", networks=[network("p_default")])
    assert taken_down(project(TWO), found) == [
        "remove p-web-1",
        "remove p-db-1 < remove p-web-1",
        "remove network p_default < remove p-db-1, remove p-web-1",
    ]


def test_down_without_a_file_takes_all_that_has_the_label() -> None:
    found = there("web-1", "gone-1", networks=[network("p_default"), network("q_default", project="q")])
    assert set(taken_down(None, found)) == {
        "remove p-gone-1",
        "remove p-web-1",
        "remove network p_default < remove p-gone-1, remove p-web-1",
    }


@pytest.mark.parametrize(("orphans", "there_is"), [(False, False), (True, True)])
def test_down_takes_orphans_when_it_is_told_to(orphans: bool, there_is: bool) -> None:
    made = taken_down(project(WEB), there("web-1", "old-1", networks=[]), orphans=orphans)
    assert ("remove p-old-1" in made) == there_is


def test_down_leaves_what_a_profile_turns_off_and_what_a_run_goes_on_with() -> None:
    wanted = project(WEB, disabled={"tool": service()})
    made = taken_down(wanted, there("web-1", "tool-1", "web-2 run", networks=[]), orphans=True)
    assert made == ["remove p-web-1"]


@pytest.mark.parametrize(
    ("volumes", "external", "gone"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_down_takes_volumes_when_it_is_told_to(volumes: bool, external: bool, gone: bool) -> None:
    wanted = project(DATA, volumes={"data": {"name": "p_data", "external": external}})
    made = taken_down(wanted, there("db-1", networks=[], volumes=volume("p_data")), volumes=volumes)
    assert ("remove volume p_data < remove p-db-1" in made) == gone


@pytest.mark.parametrize(
    ("images", "gone"), [("", []), ("local", ["p-app:latest"]), ("all", ["busybox:latest", "p-app:latest"])]
)
def test_down_takes_images_when_it_is_told_to(images: str, gone: list[str]) -> None:
    wanted = project({"web": service(), "app": {"build": {"context": "."}}})
    made = plan_down.down(wanted, "p", there(), plan_down.Down(images=images))
    assert [action.name for action in made.of("remove image")] == gone


def test_down_of_one_service_leaves_a_network_that_others_are_on() -> None:
    found = there(
        "web-1",
        "db-1",
        networks=[{**network("p_default"), "endpoints": {id_of("db-1"): {}, id_of("web-1"): {}}}],
    )
    assert taken_down(project(TWO), found, services=["web"]) == ["remove p-web-1"]


def test_stopping_goes_backwards_and_starting_forwards() -> None:
    found = there("web-1 after:app", "app-1 after:db", "db-1").containers
    assert acts(plan_down.backwards("stop", found)) == [
        "stop p-web-1",
        "stop p-app-1 < stop p-web-1",
        "stop p-db-1 < stop p-app-1",
    ]
    assert acts(plan_down.forwards("start", found)) == [
        "start p-db-1",
        "start p-app-1 < start p-db-1",
        "start p-web-1 < start p-app-1",
    ]


def test_start_takes_what_it_depends_on_along_as_its_condition_says() -> None:
    found = there("web-1 exited after:db", "db-1 exited after:init", "init-1", "other-1 exited")
    assert acts(plan_down.starts(found, ["web"])) == [
        "start p-db-1 < leave p-init-1",
        "start p-web-1 < start p-db-1",
    ]


def test_start_waits_for_what_has_to_be_healthy() -> None:
    found = there("web-1 exited", "db-1 exited")
    found.containers[0].labels[labels.DEPENDS_ON] = "db:service_healthy:false"
    assert acts(plan_down.starts(found, ["web"])) == [
        "start p-db-1",
        "wait p-db-1 service_healthy < start p-db-1",
        "start p-web-1 < wait p-db-1 service_healthy",
    ]
