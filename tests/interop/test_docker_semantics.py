"""The same command lines for Debian's docker and for minirun: exit codes, words and keys have to be the same.

Where they differ, DIFFERENCES says why, and docs/differences.md has the same table for people: a difference that has
gone is an error here, too, so neither list can grow stale.
"""

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.docker import Docker
from tests.support import CHECKOUT, Minirun, Result

# name -> command lines, one after the other; `run` and `create` get --network none unless they name one
CASES: dict[str, list[str]] = {
    # run: exit codes and output
    "run prints and ends": ["run --rm busybox echo hello"],
    "exit code of the program": ["run --rm busybox sh -c 'exit 3'"],
    "exit code of a signal": ["run --rm busybox sh -c 'kill -9 $$'"],
    "streams are kept apart": ["run --rm busybox sh -c 'echo out; echo err >&2'"],
    "program not found": ["run --rm busybox nosuch"],
    "program is a directory": ["run --rm busybox /etc"],
    "program is not executable": ["run --rm busybox /etc/passwd"],
    "unknown flag of run": ["run --nosuch busybox"],
    "run without an image": ["run"],
    "tty without a terminal": ["run --rm -i -t busybox true"],
    "image that is not there": ["run --pull never nosuch/image true"],
    "bad image name": ["run UPPER true"],
    "name in use": ["create --name one busybox", "run --name one busybox true"],
    "bad container name": ["run --name /a/b busybox true"],
    "bad environment": ["run -e =x busybox true"],
    "relative working directory": ["run -w x busybox true"],
    "unknown user": ["run --rm -u nosuch busybox true"],
    "bad memory": ["run -m 1x busybox true"],
    "memory too small": ["run -m 1m busybox true"],
    "bad restart policy": ["run --restart sometimes busybox true"],
    "rm with restart": ["run --rm --restart always busybox true"],
    "bad volume": ["run -v a:b:one:two busybox true"],
    "volume to a relative path": ["run -v /tmp:x busybox true"],
    "unknown capability": ["run --cap-add NOSUCH busybox true"],
    "bad ulimit": ["run --ulimit nosuch=1 busybox true"],
    "environment": ["run --rm -e A=1 -e NOT_SET_ANYWHERE busybox env"],
    "hostname": ["run --rm -h box busybox hostname"],
    "user and groups": ["run --rm -u 5:6 --group-add 7 busybox id"],
    "working directory is made": ["run --rm -w /new/dir busybox pwd"],
    "capabilities": ["run --rm busybox grep Cap /proc/self/status"],
    "no new privileges": [
        "run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status"
    ],
    "ulimit": ["run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'"],
    "read-only root": ["run --rm --read-only busybox touch /x"],
    "tmpfs": ["run --rm --tmpfs /t:size=64k busybox grep ' /t ' /proc/mounts"],
    "empty entrypoint": ["run --rm --entrypoint '' busybox echo hi"],
    "entrypoint": ["run --rm --entrypoint echo busybox hi"],
    "init": ["run --rm --init busybox cat /proc/1/comm"],
    # create and start
    "create and start": ["create --name one busybox echo hi", "start -a one", "start -a one"],
    "start one that runs": ["run -d --name one busybox sleep 100", "start one"],
    "start one that is not there": ["start nosuch"],
    "start two and attach": ["create --name one busybox", "create --name two busybox", "start -a one two"],
    "start: program not found": [
        "create --name one busybox nosuch",
        "start one",
        "inspect -f '{{.State.Status}} {{.State.ExitCode}}' one",
    ],
    "start -a gives the exit code": ["create --name one busybox sh -c 'exit 5'", "start -a one"],
    "attach to one that is stopped": ["create --name one busybox", "attach one"],
    "attach to one that is not there": ["attach nosuch"],
    # stop, kill, wait, restart
    "stop": [
        "run -d --name one busybox sleep 100",
        "stop -t 0 one",
        "inspect -f '{{.State.Status}} {{.State.ExitCode}}' one",
    ],
    "stop twice": ["run -d --name one busybox true", "wait one", "stop one", "stop one"],
    "stop one that was never started": ["create --name one busybox", "stop one"],
    "stop one that is not there": ["stop nosuch"],
    "stop with a signal it handles": [
        "run -d --name one busybox sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.05; done'",
        "stop one",
        "inspect -f '{{.State.ExitCode}}' one",
    ],
    "kill": ["run -d --name one busybox sleep 100", "kill one", "wait one"],
    "kill with a signal": [
        "run -d --name one busybox sh -c 'trap \"exit 4\" HUP; while :; do sleep 0.05; done'",
        "kill -s HUP one",
        "wait one",
    ],
    "kill one that is stopped": ["create --name one busybox", "kill one"],
    "kill one that is not there": ["kill nosuch"],
    "kill with no such signal": ["run -d --name one busybox sleep 100", "kill -s NOSUCH one"],
    "wait for two": [
        "run -d --name one busybox sh -c 'exit 2'",
        "run -d --name two busybox sh -c 'exit 3'",
        "wait one two",
    ],
    "wait for one that is not there": ["wait nosuch"],
    "restart": [
        "run -d --name one busybox sleep 100",
        "restart -t 0 one",
        "inspect -f '{{.State.Running}} {{.RestartCount}}' one",
    ],
    "restart one that is not there": ["restart nosuch"],
    "pause and unpause": [
        "run -d --name one busybox sleep 100",
        "pause one",
        "ps --format '{{.Status}}'",
        "exec one true",
        "unpause one",
        "ps --format '{{.Status}}'",
    ],
    "pause twice": ["run -d --name one busybox sleep 100", "pause one", "pause one"],
    "pause one that is stopped": ["create --name one busybox", "pause one"],
    "unpause one that runs": ["run -d --name one busybox sleep 100", "unpause one"],
    "restart policy": [
        "run -d --name one --restart on-failure:2 busybox sh -c 'exit 1'",
        "wait one",
        "inspect -f '{{json .HostConfig.RestartPolicy}}' one",
    ],
    # rm and rename
    "rm": ["create --name one busybox", "rm one", "rm one"],
    "rm one that runs": ["run -d --name one busybox sleep 100", "rm one", "rm -f one"],
    "rm of one that is not there": ["rm nosuch"],
    "rm -f of one that is not there": ["rm -f nosuch"],
    "rename": [
        "create --name one busybox",
        "rename one two",
        "inspect -f '{{.Name}}' two",
        "inspect -f '{{.Name}}' one",
    ],
    "rename to a name in use": ["create --name one busybox", "create --name two busybox", "rename one two"],
    "rename to its own name": ["create --name one busybox", "rename one one"],
    "rename to a bad name": ["create --name one busybox", "rename one /x/y"],
    "rename one that is not there": ["rename nosuch one"],
    "container prune": ["create --name one busybox", "container prune -f", "ps -aq"],
    # exec
    "exec": ["run -d --name one busybox sleep 100", "exec one echo hi", "exec one sh -c 'exit 9'"],
    "exec: program not found": ["run -d --name one busybox sleep 100", "exec one nosuch"],
    "exec: not executable": ["run -d --name one busybox sleep 100", "exec one /etc/passwd"],
    "exec in one that is stopped": ["create --name one busybox", "exec one true"],
    "exec in one that is not there": ["exec nosuch true"],
    "exec without a program": ["run -d --name one busybox sleep 100", "exec one"],
    "exec with user, directory, variables": [
        "run -d --name one -e A=1 busybox sleep 100",
        "exec -u 5 -w /tmp -e B=2 one sh -c 'id -u; pwd; echo $A$B'",
    ],
    "exec in a directory that is not there": [
        "run -d --name one busybox sleep 100",
        "exec -w /nosuch one true",
    ],
    "exec as an unknown user": ["run -d --name one busybox sleep 100", "exec -u nosuch one true"],
    "exec -d": ["run -d --name one busybox sleep 100", "exec -d one true"],
    # logs
    "logs": [
        "run -d --name one busybox sh -c 'echo one; sleep 0.3; echo two >&2; sleep 0.3; echo three'",
        "wait one",
        "logs one",
        "logs -n 1 one",
    ],
    "logs --tail 0": ["run -d --name one busybox echo one", "wait one", "logs --tail 0 one"],
    "logs --tail of no number": ["run -d --name one busybox echo one", "wait one", "logs --tail x one"],
    "logs -t": ["run -d --name one busybox echo one", "wait one", "logs -t one"],
    "logs --since later": [
        "run -d --name one busybox echo one",
        "wait one",
        "logs --since 2100-01-01T00:00:00 one",
    ],
    "logs --until earlier": [
        "run -d --name one busybox echo one",
        "wait one",
        "logs --until 2000-01-01T00:00:00 one",
    ],
    "logs -f of one that is stopped": ["run -d --name one busybox echo one", "wait one", "logs -f one"],
    "logs of one that is not there": ["logs nosuch"],
    "logs without a log": ["run -d --name one --log-driver none busybox echo one", "wait one", "logs one"],
    # ps and inspect
    "ps words": [
        "create --name a1 busybox",
        "run -d --name b1 busybox sleep 100",
        "run --name c1 busybox sh -c 'exit 3'",
        "ps -a --format '{{.Names}}: {{.Status}} {{.State}}'",
    ],
    "ps fields": [
        "run -d --name one -l a=b busybox sleep 100",
        "ps --format '{{.Image}} {{.Command}} {{.Names}} {{.Labels}} {{.Ports}} {{.Networks}}'",
        "ps --format '{{.Mounts}} {{.LocalVolumes}}' -a",
        "create --name two busybox sh -c 'echo \"a  b\" \\n $X' '' it\\'s",
        "ps -a -f name=two --format '{{.Command}} {{.Label \"a\"}}|'",
        "ps -a -f name=two --no-trunc --format '{{.Command}}'",
    ],
    "ps table": ["run -d --name one busybox sleep 100", "ps", "ps --format 'table {{.Names}}\\t{{.Image}}'"],
    "ps filters": [
        "create --name aa busybox",
        "run -d --name bb -l x busybox sleep 100",
        "ps -aq -f name=a --format '{{.Names}}'",
        "ps -a -f status=created --format '{{.Names}}'",
        "ps -f label=x --format '{{.Names}}'",
        "ps -a -f exited=0 --format '{{.Names}}'",
        "ps -a -f ancestor=busybox --format '{{.Names}}'",
    ],
    "ps with a bad filter": ["ps -f nosuch=1"],
    "ps with a bad status": ["ps -f status=nosuch"],
    "ps -l": [
        "create --name aa busybox",
        "create --name bb busybox",
        "ps -l --format '{{.Names}}'",
        "ps -n 1 --format '{{.Names}}'",
    ],
    "ps of nothing": ["ps -q", "ps"],
    "inspect of nothing": ["inspect nosuch"],
    "inspect --type of nothing": ["inspect --type container nosuch"],
    "container inspect of nothing": ["container inspect nosuch"],
    "inspect with a template": [
        "create --name one busybox",
        "inspect -f '{{.Name}} {{.State.Status}}' one nosuch",
    ],
    "inspect with a bad template": ["create --name one busybox", "inspect -f '{{.Nosuch}}' one"],
    "inspect of what was asked": [
        "create --name one -e A=1 -l x=y -w /tmp -u 5 -h box --cap-add net_admin --entrypoint echo busybox hi",
        "inspect -f '{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Path}} {{json .Args}}' one",
        "inspect -f '{{.Config.WorkingDir}} {{.Config.User}} {{.Config.Hostname}} {{.Config.Labels}}' one",
        "inspect -f '{{.Config.Image}} {{json .HostConfig.CapAdd}} {{.Config.OpenStdin}}' one",
        "inspect -f '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.StdinOnce}}' one",
    ],
    "inspect of how it is kept": [
        "create --name one --read-only --rm --stop-signal INT --stop-timeout 3 --restart no busybox",
        "inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.NetworkMode}} {{.HostConfig.AutoRemove}}' one",
        "inspect -f '{{.HostConfig.Privileged}} {{json .HostConfig.RestartPolicy}}' one",
        "inspect -f '{{json .HostConfig.LogConfig}} {{.Config.StopSignal}} {{.Config.StopTimeout}}' one",
    ],
    "inspect of a health check": [
        "create --name one --health-cmd true --health-interval 3s --health-retries 2 busybox",
        "inspect -f '{{json .Config.Healthcheck}}' one",
    ],
    "inspect of a state": [
        "run --name one busybox sh -c 'exit 4'",
        "inspect -f '{{json .State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Running}}' one",
        "inspect -f '{{.State.Dead}} {{.State.Pid}} {{.State.Error}}' one",
    ],
    "zero times": [
        "create --name one busybox",
        "inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}}' one",
    ],
    # top, port, cp, diff
    "top": ["run -d --name one busybox sleep 100", "top one -o cmd"],
    "top of one that is stopped": ["create --name one busybox", "top one"],
    "port of nothing": ["run -d --name one busybox sleep 100", "port one", "port one 80"],
    "port of one that is not there": ["port nosuch"],
    "diff": ["run --name one busybox sh -c 'rm /etc/group'", "diff one"],
    "diff of one that is not there": ["diff nosuch"],
    "cp of one that is not there": ["cp nosuch:/etc /tmp/nowhere"],
    "cp of a path that is not there": ["create --name one busybox", "cp one:/nosuch /tmp/nowhere"],
    "cp to a path that is not there": ["create --name one busybox", "cp /etc/hostname one:/nosuch/dir/"],
    "cp between containers": [
        "create --name one busybox",
        "create --name two busybox",
        "cp one:/etc two:/etc",
    ],
    "cp in and out": [
        "create --name one busybox",
        "cp /etc/services one:/tmp/there",
        "start -a one",
        "diff one",
    ],
    # volumes
    "volume create": [
        "volume create vol",
        "volume ls --format '{{.Name}} {{.Driver}}'",
        "volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}}' vol",
        "volume rm vol",
    ],
    "volume in use": ["volume create vol", "create --name one -v vol:/v busybox", "volume rm vol"],
    "volume that is not there": ["volume rm nosuch", "volume inspect nosuch"],
    "volume of a bad name": ["volume create /x"],
    "volume keeps what is written": [
        "run --rm -v vol:/v busybox sh -c 'echo hi > /v/f'",
        "run --rm -v vol:/v busybox cat /v/f",
        "volume rm vol",
    ],
    "mount of a source that is not there": [
        "run --rm --mount type=bind,source=/no/such/source,target=/x busybox true"
    ],
    "mounts in inspect": [  # one each: Docker gives several in any order
        "create --name one --tmpfs /t -v /tmp:/host:ro busybox",
        "create --name two -v vol:/v busybox",
        "inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}} {{.Driver}};{{end}}' one two",
    ],
    "modes in inspect": [
        "volume create vol",
        "create --name one -v vol:/a -v vol:/b:ro,nocopy -v /anonymous --mount src=vol,dst=/c,ro -v /srv:/d:ro busybox",
        "create --name two --volumes-from one:ro busybox",
        *(
            "inspect -f '{{range .Mounts}}{{if eq .Destination \"" + place + '"}}'
            "{{.Mode}},{{.RW}},{{.Propagation}}{{end}}{{end}}' " + name
            for name in ("one", "two")
            for place in ("/a", "/b", "/c", "/d", "/anonymous")
        ),
        "inspect -f '{{json .HostConfig.Binds}} {{json .HostConfig.VolumesFrom}}' two",
        "rm -f -v one two",
        "volume rm vol",
    ],
    "two mounts on one place": ["run -v one:/x -v two:/x busybox true"],
    "volumes of nobody": ["run --volumes-from nosuch busybox true"],
    "anonymous volumes": [
        "create --name one -v /a -v keep:/b busybox",
        "rm -v one",
        "volume ls -q --filter name=keep",
        "volume rm keep",
    ],
    "bad mounts": [
        "run --mount type=bind,dst=/x busybox true",
        "run --mount type=tmpfs,src=/a,dst=/x busybox true",
        "run --mount dst=/x,readonly busybox true",
        "run --mount type=tmpfs,dst=/ busybox true",
        "run -v vol:/x:wrong busybox true",
        "run -v some/where:/x busybox true",
    ],
    # the rest
    "unknown command": ["nosuch"],
    "update of nothing": ["create --name one busybox", "update one"],
    "events so far": [
        "run --name evented busybox true",
        "run --rm busybox sleep 1.1",
        "events --since 1h --until 0s --filter container=evented --format '{{.Type}} {{.Action}}'",
    ],
}

USAGE = "a wrong command line is 125 in run, create, start and exec and 2 elsewhere, in click's words"
FAILED = "as with run, 125 says that minirun failed and not the program"
OLDER = "Docker 20.10 only; later ones do as minirun, or nearly"
WORDS = "the same refusal in other words"
REMARK = "minirun says why it took so long: PID 1 had no handler"

PORTS = "-p 127.0.0.1:18080-18081:80-81 -p 127.0.0.1:15353:53/udp --expose 99"
TOWN = "network create --subnet 10.201.0.0/24 town"

# networks go after their case: nothing else is kept from one case to the next
NETWORKS: dict[str, list[str]] = {
    "network create, ls, rm": [
        "network create town",
        "network ls --filter type=custom --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}}'",
        "network ls --filter name=town --filter driver=bridge -q",
    ],
    "network inspect": [
        "network create --subnet 10.201.0.0/24 --gateway 10.201.0.9 --ip-range 10.201.0.128/25 --label a=b town",
        "network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.EnableIPv6}} {{json .Labels}}' town",
        "network inspect -f '{{json .IPAM}}' town",
    ],
    "network that is there already": [TOWN, "network create town"],
    "network that is not there": [
        "network rm nosuch",
        "network inspect nosuch",
        "network inspect host -f '{{.Driver}}'",
    ],
    "predefined network": ["network rm host", "network create host"],
    "network that is used": [
        TOWN,
        "run -d --network town --name one busybox sleep 100",
        "network rm town",
        "rm -f one",
    ],
    "network prune": [
        "network create --label keep town",
        "network prune -f --filter label!=keep",
        "network prune -f",
    ],
    "bad subnet": ["network create --subnet 10.201.0.0/33 town", "network create --subnet ten town"],
    "bad driver": ["network create -d nosuch town"],
    "gateway elsewhere": ["network create --subnet 10.201.0.0/24 --gateway 10.202.0.1 town"],
    "run on a network": [
        TOWN,
        "run -d --network town --ip 10.201.0.7 --network-alias www --name one busybox sleep 100",
        "inspect -f '{{.HostConfig.NetworkMode}} {{.NetworkSettings.Networks.town.IPAddress}}' one",
        "inspect -f '{{with .NetworkSettings.Networks.town}}{{.Gateway}} {{json .IPAMConfig}}{{end}}' one",
        "network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' town",
        "ps --format '{{.Names}} {{.Networks}}'",
        "exec one tail -n 1 /etc/hosts",
    ],
    "ports": [
        TOWN,
        f"run -d --network town {PORTS} --name one busybox sleep 100",
        "port one 80",
        "port one 99",
        "ps --format '{{.Ports}}'",
        "inspect -f '{{json .NetworkSettings.Ports}}' one",
        "inspect -f '{{json .HostConfig.PortBindings}}' one",
        "inspect -f '{{json .Config.ExposedPorts}}' one",
        "ps -q -f publish=80",
        "ps -q -f expose=99/tcp",
        "ps -q -f publish=18080",
        "kill one",
        "port one",
    ],
    "connect and disconnect": [
        TOWN,
        "network create --subnet 10.202.0.0/24 other",
        "run -d --network town --name one busybox sleep 100",
        "network connect --alias www other one",
        "inspect -f '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.IPAddress}};{{end}}' one",
        "exec one sh -c 'ip -4 addr show dev eth1 | grep inet'",
        "network connect other one",
        "network disconnect town one",
        "exec one ip route",
        "network disconnect town one",
        "network connect nosuch one",
    ],
    "connect one without a network": [
        TOWN,
        "run -d --name one busybox sleep 100",
        "network connect town one",
    ],
    "network of another": [
        TOWN,
        "run -d --network town --name one --hostname first busybox sleep 100",
        "run --rm --network container:one busybox hostname",
        "run --rm --network container:nosuch busybox true",
        "create --network container:one -p 80 busybox",
        "create --network container:one --hostname x busybox",
    ],
    "network that is not there, run": ["run --rm --network nosuch busybox true"],
    "address elsewhere": [TOWN, "run --rm --network town --ip 10.202.0.7 busybox true"],
    "address that is taken": [
        TOWN,
        "run -d --network town --ip 10.201.0.7 --name one busybox sleep 100",
        "run --rm --network town --ip 10.201.0.7 busybox true",
    ],
    "address without a subnet of one's own": [
        "network create town",
        "run --rm --network town --ip 172.18.0.77 busybox true",
    ],
    "bad ports": [
        "create -p 70000 busybox",
        "create -p 80-70:80 busybox",
        "create -p x:80 busybox",
        "create -p 80/x busybox",
        "create -p 8000-8001:80-82 busybox",
        "create -p 1.2.3:80:80 busybox",
        "create --expose x busybox",
    ],
    "bad addresses": [
        "create --network bridge --ip x busybox",
        "create --mac-address x busybox",
        "create --dns x busybox",
        "create --add-host x busybox",
        "create --add-host x:y busybox",
    ],
}
CASES.update(NETWORKS)

DIFFERENCES: dict[str, str] = {
    **dict.fromkeys(
        ("unknown flag of run", "run without an image", "exec without a program", "unknown command"), USAGE
    ),
    **dict.fromkeys(("tty without a terminal", "start two and attach"), USAGE),
    **dict.fromkeys(
        ("exec in one that is stopped", "exec in one that is not there", "pause and unpause"), FAILED
    ),
    **dict.fromkeys(("exec in a directory that is not there", "exec as an unknown user"), FAILED),
    **dict.fromkeys(("exec: program not found", "exec: not executable", "program is a directory"), OLDER),
    **dict.fromkeys(("bad restart policy", "rm with restart", "rm one that runs"), OLDER),
    **dict.fromkeys(("image that is not there", "bad image name", "bad environment", "bad memory"), WORDS),
    **dict.fromkeys(("unknown capability", "bad ulimit"), WORDS),
    **dict.fromkeys(("kill one that is not there", "inspect with a bad template"), WORDS),
    **dict.fromkeys(("cp of one that is not there", "cp of a path that is not there"), OLDER),
    "cp to a path that is not there": WORDS,
    **dict.fromkeys(("stop", "restart"), REMARK),
    **dict.fromkeys(("network that is not there", "bad driver"), OLDER),
    **dict.fromkeys(("network that is used", "bad subnet", "gateway elsewhere"), WORDS),
    **dict.fromkeys(("connect one without a network", "bad ports", "bad addresses"), WORDS),
    **dict.fromkeys(("address elsewhere", "address that is taken"), WORDS),
    "address without a subnet of one's own": WORDS,
    "network of another": USAGE,
}

# what Docker's layers put before and after the words of the one that failed
PREFIXES = re.compile(
    r"^(?:docker: |minirun: |Error response from daemon: |Error: |Error when allocating new name: "
    r"|failed to create shim task: |OCI runtime \w+ failed: |runc create failed: |exec failed: "
    r"|unable to start container process: )+"
)
SUFFIXES = re.compile(r"(?:: unknown|\. You have to remove \(or rename\).*)?[. ]*$")
# where help is to be found, and sums of errors that stand above already
LEFT_OUT = re.compile(
    r"^(?:See 'docker .*|  hint: .*|Run 'docker .*|Error: failed to (?:rename|start) .*|time=.* level=error .*|\s*)$"
)


def said(text: str) -> list[str]:
    """Lines without what has to differ: ids, times, the program's name, and the shape of quotes."""
    lines = [line for line in text.splitlines() if not LEFT_OUT.match(line)]
    return [_plain(SUFFIXES.sub("", PREFIXES.sub("", line))) for line in lines]


def _plain(line: str) -> str:
    line = re.sub(r"\b[0-9a-f]{64}\b", "<id>", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "<short id>", line)
    line = re.sub(r"\b20\d\d-\d\d-\d\dT[\d:.]+Z", "<time>", line)
    line = re.sub(r"Less than a second|About a minute|\b\d+ seconds?", "<seconds>", line)
    line = re.sub(r" {2,}", "   ", line.replace("'", '"'))
    return line[:1].lower() + line[1:]


def words_of(line: str) -> list[str]:
    command, *rest = shlex.split(line)
    alone = command in ("run", "create") and rest and "--network" not in rest
    return [command, "--network", "none", *rest] if alone else [command, *rest]


Seen = list[tuple[str, int, list[str], list[str]]]


def seen(results: list[Result], lines: list[str]) -> Seen:
    return [
        (line, one.code, said(one.stdout), said(one.stderr)) for line, one in zip(lines, results, strict=True)
    ]


@pytest.fixture(scope="module")
def docker_with_busybox(
    docker: Docker, minirun_session: Minirun, tmp_path_factory: pytest.TempPathFactory
) -> Docker:
    tar = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    minirun_session("save", "-o", tar, "busybox", check=True)
    docker("load", "-i", tar)
    return docker


@pytest.fixture
def both(docker_with_busybox: Docker, minirun: Minirun) -> Any:
    """both(lines) -> what docker and what minirun did, side by side in time, too."""

    def do(lines: list[str]) -> tuple[Seen, Seen]:
        with ThreadPoolExecutor() as pool:
            docker = pool.submit(lambda: [docker_with_busybox.attempt(*words_of(line)) for line in lines])
            ours = pool.submit(lambda: [minirun(*words_of(line)) for line in lines])
            return seen(docker.result(), lines), seen(ours.result(), lines)

    yield do
    docker_with_busybox.remove_all()
    minirun.remove_all()
    docker_with_busybox("network", "prune", "-f")
    minirun("network", "prune", "-f", check=True)


@pytest.mark.parametrize("name", CASES)
def test_minirun_does_as_docker(both: Any, name: str) -> None:
    docker, ours = both(CASES[name])

    if name in DIFFERENCES:
        assert ours != docker, "they agree by now: take it out of DIFFERENCES and docs/differences.md"
    else:
        assert ours == docker


# what has no meaning without a daemon or on Windows, and what cgroup v2 has not got
LEFT_OUT_KEYS = {
    *("HostConfig.ContainerIDFile", "HostConfig.VolumeDriver", "HostConfig.Cgroup", "HostConfig.ConsoleSize"),
    *("HostConfig.Isolation", "HostConfig.CpuCount", "HostConfig.CpuPercent", "HostConfig.IOMaximumIOps"),
    *("HostConfig.IOMaximumBandwidth", "HostConfig.KernelMemory", "HostConfig.KernelMemoryTCP"),
    *("NetworkSettings.Bridge", "NetworkSettings.HairpinMode", "NetworkSettings.SandboxID"),
    *("NetworkSettings.LinkLocalIPv6Address", "NetworkSettings.LinkLocalIPv6PrefixLen"),
    *("NetworkSettings.SecondaryIPAddresses", "NetworkSettings.SecondaryIPv6Addresses"),
}


def test_inspect_has_dockers_keys(docker_with_busybox: Docker, minirun: Minirun) -> None:
    words = ["create", "--name", "one", "--network", "none", "-m", "64m", "-v", "/tmp:/x", "busybox"]
    (docker,) = json.loads(docker_with_busybox("inspect", docker_with_busybox(*words).strip()))
    docker_with_busybox("rm", "one")
    minirun(*words, check=True)
    (ours,) = json.loads(minirun("inspect", "one", check=True).stdout)
    missing = {key for key in keys(docker) if key not in set(keys(ours))}
    assert missing == LEFT_OUT_KEYS


def keys(facts: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key, with those above it; lists and the networks by name are looked at no further."""
    for name, value in facts.items():
        yield prefix + name
        if isinstance(value, dict) and not prefix:
            yield from keys(value, f"{name}.")


def test_the_keys_left_out_are_told_in_the_documentation() -> None:
    page = (CHECKOUT / "docs" / "differences.md").read_text()
    assert [key for key in LEFT_OUT_KEYS if key.rpartition(".")[2] not in page] == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_told_in_the_documentation(name: str) -> None:
    page = (CHECKOUT / "docs" / "differences.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {DIFFERENCES[name]} |")
