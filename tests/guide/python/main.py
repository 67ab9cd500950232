"""A web server to build with the guide's first Dockerfile.  It says who it runs as, and counts its visits in a table
of the database at DATABASE_URL.
"""

import getpass
import os
import signal
import sys
from urllib.parse import urlsplit

import bottle
import pg8000.native

GREETING = "hello"
TABLE = "CREATE TABLE IF NOT EXISTS visits (number serial, at timestamptz DEFAULT now())"
VISIT = "INSERT INTO visits DEFAULT VALUES RETURNING number"


def connect(url: str) -> pg8000.native.Connection:
    parts = urlsplit(url)
    words = {"host": parts.hostname, "port": parts.port or 5432, "database": parts.path[1:]}
    return pg8000.native.Connection(parts.username, password=parts.password, timeout=5, **words)


def visit() -> str:
    """Which visit this is, or why nobody knows."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return "no database"
    try:
        connection = connect(url)
    except (OSError, pg8000.exceptions.Error) as error:
        return f"no database: {error}"
    try:
        connection.run(TABLE)
        return f"visit {connection.run(VISIT)[0][0]}"
    finally:
        connection.close()


@bottle.get("/")
def index() -> str:
    return f"{GREETING} from {getpass.getuser()}, {visit()}\n"


@bottle.get("/health")
def health() -> str:
    return "ok\n"


if __name__ == "__main__":
    # The first process of a container ignores a signal that it does not ask for: `stop` would wait ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bottle.run(host="0.0.0.0", port=8000)
