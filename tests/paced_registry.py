"""A registry for one image, on a loopback port, that stops in the middle of a blob until it is told to go on."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from minirun.image.image import Image

PIECE_BYTES = 1 << 14


class PacedRegistry(ThreadingHTTPServer):
    """Serves `image`.  `asked` notes (path, Range header) of each GET; use it in a with block."""

    daemon_threads = True

    def __init__(self, image: Image) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.image = image
        self.asked: list[tuple[str, str]] = []
        self.stop_at: dict[str, int] = {}  # digest -> how many bytes go out before `resume` is set
        self.stopped = threading.Event()  # some answer has got that far
        self.resume = threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "PacedRegistry":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume.set()
        self.shutdown()
        self.server_close()

    def ranges(self, digest: str) -> list[str]:
        """The Range headers of the requests for a blob, "" for those without."""
        return [given for path, given in self.asked if path.endswith(digest)]


class _Handler(BaseHTTPRequestHandler):
    server: PacedRegistry
    disable_nagle_algorithm = True  # or the body of an answer comes 40 ms after its headers
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        if "/manifests/" in self.path:
            manifest = self.server.image.manifest
            self._answer(200, json.dumps(manifest).encode(), manifest["mediaType"])
        elif "/blobs/" in self.path:
            self._blob(self.path.rpartition("/")[2])
        else:
            self._answer(200, b"{}", "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _blob(self, digest: str) -> None:
        with open(self.server.image.layout.blob_path(digest), "rb") as file:
            content = file.read()
        start = 0
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(found[1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        try:
            self._send(content, start, self.server.stop_at.get(digest, len(content)))
        except OSError:
            pass  # the client has gone

    def _send(self, content: bytes, start: int, stop_at: int) -> None:
        for position in range(start, len(content), PIECE_BYTES):
            if position >= stop_at and not self.server.resume.is_set():
                self.server.stopped.set()
                self.server.resume.wait(60)
            self.wfile.write(content[position : position + PIECE_BYTES])

    def log_message(self, *_: object) -> None:
        pass
