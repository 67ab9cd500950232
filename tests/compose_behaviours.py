"""What is done with Docker Compose and with minirun, to compare them: a compose file and command lines after another.

`box` is a container that stays and may be stopped at once.
"""

from tests.compose_docker import Case, Until

BOX = """
x-box: &box
  image: busybox
  command: sleep 1000
  stop_grace_period: 0s
x-tell: &tell sh -c 'echo started as $$(id -u) $$X >>/told/log'
"""

TWO = f"""{BOX}
services:
  db:
    <<: *box
    environment: {{DEBUG: "${{DEBUG:-0}}"}}
    volumes: [data:/data, /scratch]
  web:
    <<: *box
    depends_on: [db]
volumes:
  data:
"""

# a service that tells when it begins and when it is told to stop, in a file that both sides have
TELLS = """
x-tells: &tells
  image: busybox
  volumes: [./told:/told]
  stop_grace_period: 5s
  command:
    - sh
    - -c
    - |
      echo $$NAME begins >>/told/log
      trap 'echo $$NAME stops >>/told/log; exit' TERM
      trap 'echo $$NAME is hung up >>/told/log; exit' HUP
      while :; do sleep 0.05; done
"""

CHAIN = f"""{TELLS}
services:
  c:
    <<: *tells
    environment: {{NAME: c}}
    depends_on: [b]
  a:
    <<: *tells
    environment: {{NAME: a}}
  b:
    <<: *tells
    environment: {{NAME: b}}
    depends_on: [a]
"""

SCALED = f"{BOX}services:\n  web: {{<<: *box, scale: 2}}\n"


def probed(test: str, more: str = "") -> str:
    """A database whose health check is `test`, and a web server that waits for it."""
    return f"""{BOX}
services:
  db:
    <<: *box
    healthcheck: {{test: {test}, interval: 0.2s, timeout: 2s, retries: 2}}
    {more}
  web:
    <<: *box
    depends_on:
      db: {{condition: service_healthy}}
"""


def completed(code: int) -> str:
    """A migration that ends with `code`, and a web server that waits for its success."""
    return f"""{BOX}
services:
  migrate: {{image: busybox, command: "sh -c 'echo migrating; exit {code}'"}}
  web:
    <<: *box
    depends_on:
      migrate: {{condition: service_completed_successfully}}
"""


def one(*lines: str, tail: str = "") -> str:
    """A single service that is a box, with these lines more."""
    keys = "".join(f"    {line}\n" for line in lines)
    return f"{BOX}services:\n  web:\n    <<: *box\n{keys}{tail}"


PS = "ps -a --format '{{.Name}} {{.Service}} {{.State}} {{.ExitCode}}'"

CASES: dict[str, Case] = {
    # up and down
    "up": Case(TWO, ["up -d", "ps --services", "down"]),
    "up again does nothing": Case(TWO, ["up -d", "up -d"]),
    "up of one service": Case(TWO, ["up -d db", "up -d web"]),
    "up without dependencies": Case(TWO, ["up -d --no-deps web"]),
    "up without starting": Case(TWO, ["up --no-start", "start", "start"]),
    "down keeps the volume": Case(TWO, ["up -d", "down"]),
    "down with volumes": Case(TWO, ["up -d", "down -v"]),
    "down twice": Case(TWO, ["up -d", "down", "down"]),
    "down of one service": Case(TWO, ["up -d", "down web"]),
    "down without the file": Case(TWO, ["-p other up -d", "sh -c 'rm compose.yaml'", "-p other down"]),
    "no file": Case(TWO, ["sh -c 'rm compose.yaml'", "up -d"]),
    "no such service": Case(TWO, ["up -d nosuch", "stop nosuch", "exec nosuch true"]),
    # made anew
    "a changed environment": Case(TWO, ["up -d", "DEBUG=1 up -d", "docker volume ls -q --filter name=data"]),
    "a changed environment, not recreated": Case(TWO, ["up -d", "DEBUG=1 up -d --no-recreate"]),
    "recreation by force": Case(TWO, ["up -d", "up -d --force-recreate", "up -d --force-recreate web"]),
    "recreation of dependants": Case(TWO, ["up -d", "DEBUG=1 up -d --always-recreate-deps web"]),
    "dependants that restart": Case(
        TWO.replace("depends_on: [db]", "depends_on: {db: {condition: service_started, restart: true}}"),
        ["up -d", "DEBUG=1 up -d"],
    ),
    "fresh anonymous volumes": Case(
        one("volumes: [/scratch]"),
        [
            "up -d",
            "exec web touch /scratch/kept",
            "up -d --force-recreate",
            "exec web ls /scratch",
            "up -d --force-recreate -V",
            "exec web ls /scratch",
        ],
    ),
    "a changed network": Case(
        f"{BOX}services:\n  web: {{<<: *box}}\nnetworks:\n  default: {{labels: {{at: '${{AT:-0}}'}}}}\n",
        ["up -d", "AT=1 up -d"],
    ),
    # scale
    "scale": Case(SCALED, ["up -d", "up -d --scale web=3", "scale web=1", "scale web=0"]),
    "gaps are refilled": Case(SCALED, ["up -d --scale web=3", "docker rm -f p-web-2", "up -d --scale web=3"]),
    "scale with a container name": Case(
        one("container_name: mine"), ["up -d", "up -d --scale web=2", "scale web=2"]
    ),
    "one that ended is started again": Case(SCALED, ["up -d", "docker kill p-web-2", "up -d"]),
    # orphans and profiles
    "orphans": Case(
        TWO,
        [
            "up -d",
            "-f less.yaml up -d",
            "-f less.yaml ps --format '{{.Name}}'",
            "-f less.yaml ps --orphans=false --format '{{.Name}}'",
            "COMPOSE_IGNORE_ORPHANS=1 -f less.yaml up -d",
            "-f less.yaml up -d --remove-orphans",
        ],
        {"less.yaml": f"{BOX}services:\n  db: {{<<: *box}}\n"},
    ),
    "orphans at kill": Case(
        TWO,
        [
            "up -d",
            "-f less.yaml kill",
            "-f less.yaml kill web",
            "docker ps --format '{{.Names}}'",
            "-f less.yaml kill --remove-orphans",
            "docker ps --format '{{.Names}}'",
        ],
        {"less.yaml": f"{BOX}services:\n  db: {{<<: *box}}\n"},
    ),
    "orphans at down": Case(
        TWO,
        ["up -d", "-f less.yaml down", "-f less.yaml down --remove-orphans"],
        {"less.yaml": f"{BOX}services:\n  db: {{<<: *box}}\n"},
    ),
    "profiles": Case(
        f"{BOX}services:\n  web: {{<<: *box}}\n  tool: {{<<: *box, profiles: [tools]}}\n",
        ["up -d", "--profile tools up -d", "ps --services", "down", "up -d tool", "--profile tools down"],
    ),
    # conditions
    "a healthy dependency": Case(probed('"true"'), ["up -d", "up -d"]),
    "an unhealthy dependency": Case(probed('"exit 1"'), ["up -d", PS]),
    "a dependency without a check": Case(probed("[NONE]"), ["up -d"]),
    "a dependency that ends": Case(probed('"true"').replace("sleep 1000", "sh -c 'exit 3'", 1), ["up -d"]),
    "a completed dependency": Case(completed(0), ["up -d", "up -d"]),
    "a dependency that failed": Case(completed(3), ["up -d", PS]),
    "a dependency that is optional": Case(
        probed('"exit 1"').replace(
            "{condition: service_healthy}", "{condition: service_healthy, required: false}"
        ),
        ["up -d"],
    ),
    "wait": Case(probed('"true"'), ["up --wait"]),
    "wait for one that ends": Case(completed(0), ["up --wait"]),
    "wait too long": Case(
        one('healthcheck: {test: "exit 1", interval: 10s, retries: 9}'), ["up --wait --wait-timeout 1"]
    ),
    "wait for one that is unhealthy": Case(
        one('healthcheck: {test: "exit 1", interval: 0.2s, retries: 2}'), ["up --wait"]
    ),
    # attached
    "attached until it ends": Case(
        """services:
  web: {image: busybox, command: "sh -c 'echo out; sleep 0.2; echo err >&2; sleep 0.2; exit 2'"}
""",
        ["up", "up --no-log-prefix"],
    ),
    "exit code from": Case(
        f"""{BOX}services:
  db: {{<<: *box}}
  test: {{image: busybox, command: "sh -c 'sleep 0.5; exit 4'", depends_on: [db]}}
""",
        ["up --exit-code-from test", "up --abort-on-container-exit --attach test"],
    ),
    "abort on failure": Case(
        f"""{BOX}services:
  db: {{<<: *box}}
  test: {{image: busybox, command: "sh -c 'sleep 0.5; exit 4'", depends_on: [db]}}
""",
        ["up --abort-on-container-failure"],
    ),
    "ctrl-c": Case(
        """services:
  web:
    image: busybox
    command: "sh -c 'trap \\"echo stopping; exit 0\\" TERM; echo ready; while :; do sleep 0.05; done'"
""",
        [Until("up", "ready")],
    ),
    # order and signals
    "order": Case(CHAIN, ["up -d", "stop", "sh -c 'cat told/log'", "start", "down", "sh -c 'cat told/log'"]),
    "stop and start of one": Case(CHAIN, ["up -d", "stop b", PS, "start c", PS]),
    "restart": Case(CHAIN, ["up -d", "restart b", "sh -c 'cat told/log'", "restart --no-deps b", "restart"]),
    "a stop signal": Case(
        CHAIN.replace("stop_grace_period: 5s", "stop_signal: SIGHUP\n  stop_grace_period: 5s"),
        ["up -d a", "stop", "sh -c 'cat told/log'"],
    ),
    "a grace that is over": Case(
        one("stop_grace_period: 1s"), ["up -d", "stop", PS, "start", "stop -t 0", PS]
    ),
    "kill": Case(
        CHAIN, ["up -d a", "kill -s HUP a", "sh -c 'sleep 0.5; cat told/log'", "kill", "up -d a", "kill"]
    ),
    "rm": Case(TWO, ["up -d", "rm -f", "rm -f -s web", "stop", "rm -f -v"]),
    "pause": Case(TWO, ["up -d", "pause web", PS, "pause web", "unpause", "unpause web"]),
    "hooks": Case(
        one(
            "volumes: [./told:/told]",
            "post_start: [{command: *tell, user: '5', environment: [X=1]}]",
            "pre_stop: [{command: sh -c 'echo stopping >>/told/log'}]",
        ),
        ["sh -c 'mkdir -m 777 told'", "up -d", "stop", "start", "down", "sh -c 'cat told/log'"],
    ),
    "a hook that fails": Case(one("post_start: [{command: 'false'}]"), ["up -d"]),
    # what is in them
    "secrets": Case(
        one(
            "secrets: [token, {source: word, target: other}]",
            tail="secrets:\n  token: {file: ./token}\n  word: {environment: WORD}\n",
        ),
        [
            "WORD=sesame up -d",
            "exec web sh -c 'cat /run/secrets/token /run/secrets/other; ls -l /run/secrets/other | cut -c1-10'",
            "WORD=other up -d",
            "exec web cat /run/secrets/other",
        ],
        {"token": "abc\n"},
    ),
    "configs": Case(
        one(
            "configs: [plain, {source: made, target: /etc/made, mode: 0440}]",
            tail="configs:\n  plain: {file: ./plain}\n  made: {content: 'DEBUG=${DEBUG:-0}'}\n",
        ),
        [
            "up -d",
            "exec web sh -c 'cat /plain /etc/made; ls -l /etc/made | cut -c1-10'",
            "DEBUG=1 up -d",
            "exec web cat /etc/made",
        ],
        {"plain": "a plain file\n"},
    ),
    "a secret that is not there": Case(
        one("secrets: [token]", tail="secrets:\n  token: {environment: NOT_SET}\n"), ["up -d"]
    ),
    "environment files": Case(
        one("env_file: [one.env, {path: none.env, required: false}]", "environment: [B=2]"),
        ["up -d", "exec web sh -c 'env | sort'", "exec -e B=3 web sh -c 'echo $B'"],
        {"one.env": "A=1\nB=1\n", ".env": "C=1\n"},
    ),
    # run and exec
    "run": Case(
        TWO,
        [
            "run --rm web echo hello",
            "run --rm web sh -c 'exit 5'",
            "run --name mine -e A=1 -d web sleep 1000",
            "ps -a --format '{{.Name}} {{.State}}'",
            "up -d",
            "down",
        ],
    ),
    "run without dependencies": Case(TWO, ["run --rm --no-deps --entrypoint echo web hello"]),
    "run and ports": Case(
        one("ports: ['127.0.0.1:18080:80']"),
        ["run -d --name one web", "run -d --name two -P web", "docker port one", "docker port two"],
    ),
    "exec": Case(
        SCALED,
        [
            "up -d",
            "exec web sh -c 'exit 9'",
            "exec --index 2 web hostname",
            "exec -T -u 5 -w /tmp -e A=1 web sh -c 'id -u; pwd; echo $A'",
            "exec -d web true",
            "exec web nosuch",
            "exec --index 7 web true",
            "stop",
            "exec web true",
        ],
    ),
    # looking
    "ps": Case(
        one("ports: ['127.0.0.1:18080:80', '127.0.0.1:15353:53/udp']", "container_name: mine"),
        [
            "up -d",
            "ps",
            "ps -q",
            "ps --format json",
            "ps --format '{{.Name}} {{.Image}} {{.Command}} {{.Ports}}'",
            "ps --status exited",
            "ps --filter status=running --services",
            "ps nosuch",
            "port web 80",
            "port --protocol udp web 53",
            "port web 99",
        ],
    ),
    "ls": Case(TWO, ["up -d", "ls", "ls -q", "ls --format json", "stop web", "ls", "stop", "ls", "ls -a"]),
    "images": Case(TWO, ["up -d", "images", "images -q", "images --format json"]),
    "volumes": Case(TWO, ["up -d", "volumes", "volumes -q", "volumes web --format '{{.Name}}'"]),
    "top": Case(TWO, ["up -d", "top web", "top"]),
    "logs": Case(
        """services:
  web: {image: busybox, command: "sh -c 'echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three; sleep 3'"}
  database: {image: busybox, command: "true"}
""",
        [
            "up -d",
            "sh -c 'sleep 4'",
            "logs web",
            "logs --tail 1 web",
            "logs --no-log-prefix web",
            Until("logs -f web", "three"),
            "logs database",
            "logs --since 1m --until 0s web",
            "logs nosuch",
        ],
    ),
    "wait for the end": Case(
        f"""{BOX}services:
  db: {{<<: *box}}
  job: {{image: busybox, command: "sh -c 'sleep 3; exit 6'"}}
""",
        ["up -d", "wait job", "up -d", "wait --down-project job"],
    ),
    "cp": Case(
        SCALED,
        [
            "up -d",
            "cp compose.yaml web:/tmp/there",
            "exec --index 2 web ls /tmp",
            "cp --index 1 web:/tmp/there back",
            "sh -c 'cmp compose.yaml back'",
            "cp --index 1 web:/nosuch x",
        ],
    ),
    # networks and volumes
    "networks": Case(
        f"""{BOX}services:
  db: {{<<: *box, networks: {{back: {{aliases: [database]}}}}}}
  web: {{<<: *box, networks: [front, back]}}
  alone: {{<<: *box, network_mode: none}}
networks:
  front:
  back: {{internal: true, name: backstage, labels: {{a: b}}}}
""",
        [
            "up -d",
            "exec web sh -c 'nslookup -type=a database | grep Name:'",
            "exec web sh -c 'ls /sys/class/net'",
            "down",
        ],
    ),
    "names": Case(
        f"{BOX}services:\n  db: {{<<: *box, scale: 2}}\n  web: {{<<: *box, links: ['db:sql']}}\n",
        [
            "up -d",
            "exec web sh -c 'nslookup -type=a db | grep -c Address:'",
            "exec web sh -c 'ping -c 1 -W 2 sql >/dev/null && ping -c 1 -W 2 p-db-2 >/dev/null && echo reached'",
        ],
    ),
    "network of another service": Case(
        f"{BOX}services:\n  db: {{<<: *box}}\n  web: {{<<: *box, network_mode: 'service:db'}}\n",
        ["up -d", "exec web sh -c 'hostname -i | wc -w'", "up -d --force-recreate db"],
    ),
    "external ones": Case(
        one(
            "networks: [town]",
            "volumes: [kept:/kept]",
            tail="networks:\n  town: {external: true}\nvolumes:\n  kept: {external: true}\n",
        ),
        [
            "up -d",
            "docker network create town",
            "up -d",
            "docker volume create kept",
            "up -d",
            "down -v",
            "docker volume ls -q",
        ],
    ),
    "a network in use": Case(
        one(), ["up -d", "docker run -d --name guest --network p_default busybox sleep 100", "down"]
    ),
    "a volume of another project": Case(
        TWO, ["docker volume create p_data", "up -d", "down -v", "docker volume ls -q"]
    ),
    # images
    "build": Case(
        one("build: {context: ., args: {WORD: hello}}").replace("image: busybox", "init: false"),
        [
            "up -d",
            "exec web cat /word",
            "build",
            "sh -c 'sed -i s/hello/bye/ compose.yaml'",
            "up -d",
            "up -d --build",
            "exec web cat /word",
            "down --rmi local",
            "docker images -q p-web",
        ],
        {"Dockerfile": "FROM busybox\nARG WORD\nRUN echo $WORD >/word\n"},
    ),
    "an image that is not there": Case(
        "services:\n  web: {image: 'localhost:1/nosuch', pull_policy: never}\n", ["up -d", "create", "pull"]
    ),
    # files that change
    "watch": Case(
        one(
            "user: nobody",
            "scale: 2",
            "develop: {watch: [{path: ./src, action: sync+restart, target: /tmp/src, ignore: ['*.tmp']}]}",
        ),
        [
            "up -d",
            "sh -c '(sleep 4; mkdir src/d; echo b >src/d/b; echo >src/c.tmp; chmod 750 src/a) >/dev/null 2>&1 &'",
            Until("watch --no-up", "restarted"),
            "exec --index 2 web sh -c 'find /tmp/src -exec stat -c \"%n %U:%G %a\" {} +'",
        ],
        {"src/a": "a"},
    ),
    # dry
    "dry run": Case(TWO, ["--dry-run up -d", "up -d", "--dry-run down"]),
}
