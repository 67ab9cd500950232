"""A web server to build with the guide's first Dockerfile: hello from whom it runs as, on port 8000."""

import getpass
import os
import signal
import sys

import bottle

GREETING = "hello"


@bottle.get("/")
def index() -> str:
    database = "a database" if os.environ.get("DATABASE_URL") else "no database"
    return f"{GREETING} from {getpass.getuser()}, {database}\n"


@bottle.get("/health")
def health() -> str:
    return "ok\n"


if __name__ == "__main__":
    # The first process of a container ignores a signal that it does not ask for: `stop` would wait ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bottle.run(host="0.0.0.0", port=8000)
