"""What is there, what is wanted, and so what is to be done: pure, nothing is asked of the machine and nothing changed.

    networks, volumes      those that are missing; a network that has changed is made anew
    a service's containers each is left alone, started, made anew or removed, and the missing ones are made;
                           every one with its reasons, which `compose explain` shows
    starts                 behind what the service depends on, as its condition says

Compose's own rule for making anew: the configuration's hash, the image, a network or a volume that the container
lacks, or a neighbour made anew whose namespace or volumes it shares.

See      differences.py for the reasons in words; docker compose's pkg/compose/convergence.go
Next     carry_out.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import labels, names, order
from minirun.compose.actions import Action, Plan, on
from minirun.compose.plan_down import orphans, orphans_remark
from minirun.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from minirun.compose.choice import Choice
    from minirun.compose.language.model import Project, Service
    from minirun.compose.observed import Container, Observed
    from minirun.network.ledger import Network


class Facts:
    """What the plan has to know of the services beside the file, {service: ...}; see facts.py."""

    def __init__(self) -> None:
        self.config_hashes: dict[str, str] = {}
        self.image_ids: dict[str, str] = {}  # "": it is not here yet
        self.configurations: dict[str, str] = {}  # what the hashes are of, as JSON
        self.network_hashes: dict[str, str] = {}  # {key of the file: ...}
        self.volume_hashes: dict[str, str] = {}


def up(project: Project, there: Observed, facts: Facts, choice: Choice) -> Plan:
    """What `compose up` has to do.  Raises ConflictError, NotFoundError for what cannot be, before anything is done."""
    return _Up(project, there, facts, choice).plan_all()


class _Up:
    def __init__(self, project: Project, there: Observed, facts: Facts, choice: Choice) -> None:
        self.project = project
        self.there = there
        self.facts = facts
        self.choice = choice
        self.plan = Plan()
        self.services = order.selected(project, choice.services, dependencies=choice.dependencies)
        self.made: dict[str, list[Action]] = {}  # {service: what makes its containers}
        self.ready: dict[str, list[Action]] = {}  # {service: its starts, or what stands for them}
        self.networks: dict[str, Action] = {}  # {key: what makes it}
        self.volumes: dict[str, Action] = {}
        self.put_away: dict[str, list[Action]] = {}  # {service: removals of what a killed command has left}
        self.remade: set[str] = set()  # services of which a container is made anew
        self.stops: dict[str, Action] = {}  # {id: stop}, of those that are started again later

    def plan_all(self) -> Plan:
        for name in self.services:
            self._check_scale(self.project.services[name])
        self._tell_orphans()
        self._plan_networks()
        self._plan_volumes()
        kept_up = [name for name in self.services if name != self.choice.one_off]
        for name in kept_up:
            self._plan_containers(name)
        if self.choice.start:
            for name in kept_up:
                self._plan_starts(name)
            if self.choice.one_off:
                self._waits(self.project.services[self.choice.one_off])
        return self.plan

    # ---- before all -------------------------------------------------------------------------------------------

    def scale(self, service: Service) -> int:
        return names.scale(service, self.choice.scale)

    def _check_scale(self, service: Service) -> None:
        if self.scale(service) < 2:
            return
        name = service["name"]
        if custom := service.get("container_name"):
            raise ConflictError(
                f'The "{name}" service is using the custom container name "{custom}". Each container needs a '
                "unique name. Remove the custom name to scale the service"
            )
        for port in service.get("ports") or []:
            published = port.get("published") or ""
            first, _, last = published.partition("-")
            if first.isdecimal() and int(last or first) - int(first) + 1 < self.scale(service):
                raise ConflictError(
                    f'The "{name}" service publishes port {published}, which only one of {self.scale(service)} '
                    "containers can have",
                    f"publish a range, or only {port['target']}: then each gets a port of its own",
                )

    def _tell_orphans(self) -> None:
        found = orphans(self.there, [*self.project.services, *self.project.disabled])
        if self.choice.remove_orphans:
            for container in found:
                self.plan.add(on("remove", container, ["its service is not in the file any more"]))
        elif found and not self.choice.ignore_orphans:
            self.plan.warnings.append(orphans_remark(found))

    # ---- networks and volumes ---------------------------------------------------------------------------------

    def _plan_networks(self) -> None:
        used = {key for name in self.services for key in self.project.services[name].get("networks") or {}}
        for key in sorted(used & set(self.project.networks)):
            self._plan_network(key)

    def _plan_network(self, key: str) -> None:
        wanted = self.project.networks[key]
        name = wanted["name"]
        found = self.there.networks.get(name)
        if wanted.get("external"):
            if found is None and name not in ("host", "none"):
                raise NotFoundError(
                    f"network {name} declared as external, but could not be found",
                    f"minirun network create {name}",
                )
            return
        if found is None:
            self.networks[key] = self.plan.add(Action("create network", name, key=key, why=["there is none"]))
            return
        project = found["labels"].get(labels.PROJECT, "")
        if project != self.project.name:
            self.plan.warnings.append(
                f'a network with name {name} exists but was not created for project "{self.project.name}".\n'
                "Set `external: true` to use an existing network"
            )
        elif found["labels"].get(labels.CONFIG_HASH, "") != self.facts.network_hashes.get(key, ""):
            self._require_alone(found)
            self._remake_network(key, name)

    def _require_alone(self, network: Network) -> None:
        """Raises ConflictError where somebody else is on it: then our own would be stopped for nothing."""
        mine = {one.id for one in self.there.containers}
        others = [
            one["name"] for container_id, one in network["endpoints"].items() if container_id not in mine
        ]
        if others:
            raise ConflictError(
                f"network {network['name']} has changed and cannot be made anew: {', '.join(others)} is on it",
                f"minirun network disconnect {network['name']} {others[0]}",
            )

    def _remake_network(self, key: str, name: str) -> None:
        """What is on it has to stop first; that it is on it no more then makes it anew."""
        stops = [on("stop", one, [f"network {name} is made anew"]) for one in self.there.containers]
        on_it = [stop for stop in stops if stop.container and name in _networks_of(stop.container)]
        for stop in on_it:
            assert stop.container
            self.stops[stop.container.id] = self.plan.add(stop)
        self.networks[key] = self.plan.add(
            Action(
                "remake network", name, key=key, after=on_it, why=["its settings in the file have changed"]
            )
        )

    def _plan_volumes(self) -> None:
        for key in sorted(self._used_volumes()):
            wanted = self.project.volumes[key]
            name = wanted["name"]
            found = self.there.volumes.get(name)
            if wanted.get("external"):
                if found is None:
                    raise NotFoundError(
                        f'external volume "{name}" not found', f"minirun volume create {name}"
                    )
            elif found is None:
                self.volumes[key] = self.plan.add(
                    Action("create volume", name, key=key, why=["there is none"])
                )
            elif remark := self._remark_on_volume(key, name, found["labels"]):
                self.plan.warnings.append(remark)

    def _used_volumes(self) -> set[str]:
        mounts = [one for name in self.services for one in self.project.services[name].get("volumes") or []]
        return {one.get("source", "") for one in mounts if one["type"] == "volume"} & set(
            self.project.volumes
        )

    def _remark_on_volume(self, key: str, name: str, found: dict[str, str]) -> str:
        project = found.get(labels.PROJECT)
        if project is None:
            return (
                f'volume "{name}" already exists but was not created by Docker Compose. '
                "Use `external: true` to use an existing volume"
            )
        if project != self.project.name:
            return (
                f'volume "{name}" already exists but was created for project "{project}" '
                f'(expected "{self.project.name}"). Use `external: true` to use an existing volume'
            )
        if found.get(labels.CONFIG_HASH, "") != self.facts.volume_hashes.get(key, ""):
            return (
                f'volume "{name}" is not as the file has it by now. It stays as it is, for there is data in it: '
                f"`minirun volume rm {name}` removes it with that"
            )
        return ""

    # ---- containers -------------------------------------------------------------------------------------------

    def _plan_containers(self, name: str) -> None:
        service = self.project.services[name]
        found = self._without_leftovers(name)
        reasons = {one.id: self._reasons(service, one) for one in found}
        kept = sorted(found, key=lambda one: (bool(reasons[one.id]), one.number))  # the first of these stay
        kept, spare = kept[: self.scale(service)], kept[self.scale(service) :]
        for one in spare:
            self.plan.add(on("remove", one, [f"{self.scale(service)} wanted, {len(found)} there"]))
        self.made[name] = [
            self._plan_container(service, one, reasons[one.id])
            for one in sorted(kept, key=lambda one: one.number)
        ]
        highest = max((one.number for one in found), default=0)
        for number in range(highest + 1, highest + 1 + self.scale(service) - len(kept)):
            self.made[name].append(self._create(service, number))

    def _without_leftovers(self, name: str) -> list[Container]:
        """The containers of a service; where a command was killed between two of them, what it has left is put away."""
        found: list[Container] = []
        half_made: list[Container] = []
        for one in self.there.of(name):
            before = one.is_coming_for
            is_there = before and any(other.id.startswith(before) for other in self.there.containers)
            (half_made if is_there else found).append(one)
        self.put_away[name] = [
            self.plan.add(on("remove", one, ["a command was killed before it had made it"]))
            for one in half_made
        ]
        return found

    def _reasons(self, service: Service, container: Container) -> list[str]:
        """Why a container cannot stay as it is; empty when it can."""
        name = service["name"]
        named = not self.choice.services or name in self.choice.services
        recreate = self.choice.recreate if named else self.choice.recreate_dependencies
        if recreate == "never":
            return []
        if recreate == "force":
            return [
                "it was asked for: --force-recreate" if named else "it was asked for: --always-recreate-deps"
            ]
        return [
            *(f"{parent} is made anew, with which it lives" for parent in self._remade_parents(service)),
            *self._changes(name, container),
            *self._missing(service, container),
        ]

    def _remade_parents(self, service: Service) -> list[str]:
        return [parent for parent in order.parents(service) if parent in self.remade]

    def _changes(self, name: str, container: Container) -> list[str]:
        found = []
        if container.config_hash != self.facts.config_hashes[name]:
            from minirun.compose.differences import differences  # with json, for the few that have changed

            found += differences(labels.configuration(container.record), self.facts.configurations[name])
        image = self.facts.image_ids.get(name, "")
        if not image:
            found.append("its image is not here: it is pulled or built")
        elif container.record["image_id"] != image:
            found.append(f"image {_short(container.record['image_id'])} -> {_short(image)}")
        return found

    def _missing(self, service: Service, container: Container) -> list[str]:
        """Networks and volumes that it should have."""
        networks = [self.project.networks[key]["name"] for key in service.get("networks") or {}]
        mounts = [
            one for one in service.get("volumes") or [] if one["type"] == "volume" and one.get("source")
        ]
        volumes = [self.project.volumes[one.get("source", "")]["name"] for one in mounts]
        mounted = {mount["name"] for mount in container.record["mounts"]}
        remade = {
            self.project.networks[key]["name"]
            for key, act in self.networks.items()
            if act.kind == "remake network"
        }
        return [
            *(f"it is not on network {one}" for one in networks if one not in _networks_of(container)),
            *(f"network {one} is made anew" for one in networks if one in remade),
            *(f"volume {one} is not mounted" for one in volumes if one not in mounted),
        ]

    def _plan_container(self, service: Service, container: Container, reasons: list[str]) -> Action:
        name = names.container(self.project, service, container.number)
        if reasons:
            self.remade.add(service["name"])
            after = [*self._grounds(service), *self._stop_dependents(service["name"])]
            after += self.put_away[service["name"]]  # one of them has the name that the new one is made under
            return self.plan.add(on("remake", container, reasons, name=name, after=after))
        if container.is_coming_for:
            why = ["a command was killed before it had its name"]
            return self.plan.add(on("rename", container, why, name=name))
        if container.id in self.stops:
            return self.stops[container.id]
        return self.plan.add(on("leave", container, ["nothing has changed"]))

    def _create(self, service: Service, number: int) -> Action:
        name = names.container(self.project, service, number)
        return self.plan.add(
            Action(
                "create",
                name,
                service=service["name"],
                number=number,
                after=self._grounds(service),
                why=["there is none"],
            )
        )

    def _grounds(self, service: Service) -> list[Action]:
        """What has to be there before a container of this service can be made."""
        networks = [self.networks[key] for key in service.get("networks") or {} if key in self.networks]
        sources = [one.get("source", "") for one in service.get("volumes") or []]
        volumes = [self.volumes[key] for key in sources if key in self.volumes]
        parents = [action for name in order.parents(service) for action in self.made.get(name, [])]
        return [*networks, *volumes, *parents]

    def _stop_dependents(self, name: str) -> list[Action]:
        """`depends_on: restart: true`: they stop before what they depend on is made anew, and start after it."""
        found = []
        for other in self.services:
            wish = (self.project.services[other].get("depends_on") or {}).get(name)
            for one in self.there.of(other) if wish and wish.get("restart") else ():
                if one.id not in self.stops and one.is_up:
                    self.stops[one.id] = self.plan.add(on("stop", one, [f"{name} is made anew"]))
                found += [self.stops[one.id]] if one.id in self.stops else []
        return found

    # ---- starts -----------------------------------------------------------------------------------------------

    def _plan_starts(self, name: str) -> None:
        service = self.project.services[name]
        todo = [made for made in self.made[name] if not _is_up_already(made)]
        waits = self._waits(service) if todo else []
        parents = [ready for parent in order.parents(service) for ready in self.ready.get(parent, [])]
        self.ready[name] = [made for made in self.made[name] if made not in todo]
        for made in todo:
            start = Action(
                "unpause"
                if made.container and made.container.status == "paused" and made.kind == "leave"
                else "start",
                made.name,
                service=name,
                number=made.number,
                container=made.container if made.kind != "remake" else None,
                after=[made, *waits, *parents],
                why=_why_start(made),
            )
            self.ready[name].append(self.plan.add(start))

    def _waits(self, service: Service) -> list[Action]:
        """What the start of this service comes after."""
        found = []
        for name, wish in sorted((service.get("depends_on") or {}).items()):
            started = self.ready.get(name)
            if started is None:
                continue  # it was not chosen: --no-deps
            if wish["condition"] == "service_started":
                found += started
            else:
                found += self._wait(name, wish["condition"], wish.get("required", True), started)
        return found

    def _wait(self, name: str, condition: str, required: bool, started: list[Action]) -> list[Action]:
        """One for each container; two services that wait for the same share it."""
        found = []
        for action in started:
            same = [
                one
                for one in self.plan.of("wait")
                if (one.name, one.condition, one.required) == (action.name, condition, required)
            ]
            found.append(
                same[0]
                if same
                else self.plan.add(
                    Action(
                        "wait",
                        action.name,
                        service=name,
                        number=action.number,
                        container=action.container,
                        condition=condition,
                        required=required,
                        after=[action],
                    )
                )
            )
        return found


def _is_up_already(made: Action) -> bool:
    container = made.container
    return made.kind == "leave" and container is not None and container.status in ("running", "restarting")


def _why_start(made: Action) -> list[str]:
    if made.kind == "leave" and made.container:
        return [f"it is {made.container.status}"]
    return ["it was stopped for that"] if made.kind == "stop" else []


def _networks_of(container: Container) -> list[str]:
    return [one["network"] for one in container.record["attachments"]]


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]
