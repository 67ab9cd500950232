"""A registry of the tests' own that does what it is told, right or wrong."""

import contextlib
import gzip
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from minirun.image import manifests
from minirun.image.mediatypes import CONFIG, LAYER
from tests.image_tars import config_of, digest


class BadRegistry(ThreadingHTTPServer):
    """Serves what is put into it; `quirks` say what to do instead at some path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents: dict[str, tuple[str, bytes]] = {}  # path -> content type and content
        self.quirks: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[str] = []
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def name(self) -> str:
        return f"{self.host}/tool:latest"

    def add(self, kind: str, content: bytes) -> dict[str, Any]:
        """Serve a blob or a document under its digest; returns its descriptor."""
        place = "manifests" if kind in manifests.ACCEPTED else "blobs"
        self.documents[f"{place}/{digest(content)}"] = (kind, content)
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    def tag(self, content: bytes | dict[str, Any], kind: str = manifests.MANIFEST) -> None:
        """Make it what the name stands for."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.documents["manifests/latest"] = (kind, body)

    def image(self, *packed: bytes, **changes: Any) -> dict[str, Any]:
        """Serve an image of these packed layers; `changes` are put over its manifest."""
        config = self.add(CONFIG, config_of([unpacked(layer) for layer in packed]))
        layers = [self.add(f"{LAYER}+gzip", layer) for layer in packed]
        manifest = {"schemaVersion": 2, "mediaType": manifests.MANIFEST, "config": config, "layers": layers}
        manifest |= changes
        self.tag(manifest)
        return manifest

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""

    def stop(self) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()


def unpacked(packed: bytes) -> bytes:
    with contextlib.suppress(OSError, EOFError):
        return gzip.decompress(packed)
    return packed


class Handler(BaseHTTPRequestHandler):
    server: BadRegistry
    disable_nagle_algorithm = True  # or the body of an answer comes 40 ms after its headers
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v2/tool/")
        self.server.asked.append(path)
        for place, quirk in self.server.quirks.items():
            if path.startswith(place):
                return quirk(self)
        self.answer(path)

    def answer(self, path: str) -> None:
        kind, content = self.server.documents.get(path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
