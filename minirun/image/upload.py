"""One blob on its way into a repository.

    HEAD  /v2/NAME/blobs/DIGEST                               200: it is there
    POST  /v2/NAME/blobs/uploads/?mount=DIGEST&from=OTHER     201: taken over from OTHER; 202: send it after all
    POST  /v2/NAME/blobs/uploads/                             202, Location: where to send it
    PUT   LOCATION?digest=DIGEST                              201; a small blob goes along with it
    PATCH LOCATION, Content-Range: 0-67108863                 202; a large one goes before it, in chunks,
                                                              each answered by the Location of the next
    GET   LOCATION                                            after a break: 204, Range: 0-N is what arrived

See      distribution-spec "Push"
By hand  curl -X POST, then -X PUT --data-binary @BLOB, with the addresses above
Next     push.py
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from minirun.errors import MinirunError
from minirun.image.registry import hint_for, refused
from minirun.image.transport import PASSING, TRIES, Body, Broken, number, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.image.answers import Answer
    from minirun.image.mediatypes import Json
    from minirun.image.registry import Registry

CHUNK_BYTES = 64 << 20  # lost at most when the connection breaks; each costs the registry a turn
SESSIONS_MAX = 50  # of one blob, on a line that breaks again and again
_BLOCK_BYTES = 1 << 18
_LOST = (404, 416)  # the registry knows nothing of this upload, or of another part: begin where it says
_RANGE = re.compile(r"(?:bytes[ =])?\s*0\s*-\s*(\d+)(?:/\S*)?\s*")
_TAKEN = (200, 201, 202, 204)  # the specification has one for each request; registries mix them up
_NO_HEAD = (404, 405, 501)  # not there, or nobody can say: it is sent
_OCTETS = {"Content-Type": "application/octet-stream"}


class Blob:
    """An open file with what its descriptor says."""

    def __init__(self, fd: int, digest: str, size: int) -> None:
        self.fd = fd
        self.digest = digest
        self.size = size

    @property
    def descriptor(self) -> Json:
        return {"digest": self.digest, "size": self.size}


class _Part(Body):
    """The bytes from `start` to `end` of a blob; `sent` is told how far it is."""

    def __init__(self, blob: Blob, start: int, end: int, sent: Callable[[int], None]) -> None:
        self._blob = blob
        self._start = start
        self._end = end
        self._sent = sent

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[bytes]:
        at = self._start
        while at < self._end:
            block = os.pread(self._blob.fd, min(_BLOCK_BYTES, self._end - at), at)
            if not block:
                raise MinirunError(f"blob {self._blob.digest} is shorter than it should be")
            yield block
            at += len(block)
            self._sent(at)


class Upload:
    """A blob, and how much of it the registry has."""

    def __init__(
        self, registry: Registry, repository: str, blob: Blob, sent: Callable[[int], None] = lambda at: None
    ) -> None:
        self._registry = registry
        self._path = f"/v2/{repository}/blobs/"
        self._blob = blob
        self._sent = sent
        self._location = ""
        self._at = 0
        self._furthest = 0  # in this session
        self._sessions = 0
        self._chunk_bytes = CHUNK_BYTES

    def run(self, sources: list[str]) -> str:
        """Bring it there, from another repository in `sources` if possible; returns Docker's word for it."""
        if self._is_there():
            return "Layer already exists"
        for source in sources:
            if self._mount(source):
                return f"Mounted from {source}"
        if not self._location:
            self._start_session()
        self._send()
        return "Pushed"

    def _is_there(self) -> bool:
        """Storage that a HEAD leads to may refuse it, its address being signed for GET: then it is sent again."""
        answer = self._registry.ask("HEAD", f"{self._path}{self._blob.digest}")
        if answer.status == 200 or answer.status in _NO_HEAD or origin(answer.final) != origin(answer.url):
            return answer.status == 200
        raise denied(answer)

    def _mount(self, source: str) -> bool:
        """A registry that will not may begin an upload instead; one that minds, or a token server, is no loss."""
        self._give_up()
        query = urlencode({"mount": self._blob.digest, "from": source})
        try:
            answer = self._registry.ask(
                "POST", f"{self._path}uploads/?{query}", further=f"repository:{source}:pull"
            )
        except MinirunError:
            return False
        if answer.status == 202 and answer.headers.get("Location"):
            self._accept(answer, 0)
        return answer.status == 201

    def _give_up(self) -> None:
        """The registry forgets what is not finished by itself, so an answer is not waited for."""
        if self._location:
            with suppress(Broken):
                self._registry.ask("DELETE", self._location, tries=1)
            self._location = ""

    def _start_session(self) -> None:
        self._sessions += 1
        if self._sessions > SESSIONS_MAX:
            raise MinirunError(
                f"{self._path}uploads/ has begun {SESSIONS_MAX} times and never come to an end"
            )
        self._furthest = 0
        answer = self._registry.ask("POST", f"{self._path}uploads/")
        if answer.status not in _TAKEN:
            raise denied(answer)
        if not answer.headers.get("Location"):
            raise MinirunError(f"{answer.url} begins an upload, and does not say where to send it")
        self._accept(answer, 0)

    def _accept(self, answer: Answer, at: int) -> None:
        """Go on where the answer says, from byte `at`."""
        self._location = self._registry.location(answer)
        self._at = at
        least = number(answer.headers.get("OCI-Chunk-Min-Length", ""))
        self._chunk_bytes = max(self._chunk_bytes, least or 0)

    def _send(self) -> None:
        failures = 0
        while True:
            answer = problem = None
            try:
                method, end, answer = self._next()
                if answer.status in _TAKEN and method == "PUT":
                    return
                if answer.status in _TAKEN:
                    failures = 0 if self._has_more(answer, end) else failures + 1
                    if failures == TRIES:
                        raise MinirunError(
                            f"{answer.url} takes chunks, and has {self._at} bytes all the same"
                        )
                    continue
                problem = denied(answer)
                if answer.status not in (*PASSING, *_LOST):
                    raise problem
            except Broken as error:
                problem = error
            failures += 1
            if failures == TRIES:
                raise problem
            self._registry.pause(failures - 1, answer)
            if self._is_there():  # only the answer was lost
                return
            self._recover()

    def _has_more(self, answer: Answer, end: int) -> bool:
        """Go on where the answer to a chunk up to `end` says; whether that is further than ever before."""
        received = _received(answer)
        # more than was sent is no number to go by
        self._accept(answer, received if 0 < received <= end else end)
        further, self._furthest = self._at > self._furthest, max(self._at, self._furthest)
        return further

    def _next(self) -> tuple[str, int, Answer]:
        """The next request: its method, the byte up to which it sends, and its answer."""
        size, location = self._blob.size, self._location
        if self._at < size and size > self._chunk_bytes:
            end = min(self._at + self._chunk_bytes, size)
            method, headers = "PATCH", {**_OCTETS, "Content-Range": f"{self._at}-{end - 1}"}
        else:
            end = size
            method, headers = "PUT", _OCTETS
            query = urlencode({"digest": self._blob.digest})
            location += f"{'&' if '?' in location else '?'}{query}"
        part = _Part(self._blob, self._at, end, self._sent)
        return method, end, self._registry.ask(method, location, headers, part, tries=1)

    def _recover(self) -> None:
        """Ask how much has arrived; what cannot be told is sent from the start."""
        answer = self._registry.ask("GET", self._location)
        received = _received(answer) if answer.status in (202, 204) else 0
        if 0 < received <= self._blob.size:
            self._accept(answer, received)
        else:
            self._start_session()


def denied(answer: Answer) -> MinirunError:
    """One sentence about an answer that ends a push."""
    error = refused(answer)
    if answer.status in (401, 403):
        host = urlsplit(answer.url).netloc
        return MinirunError(f"pushing is denied: {error.message}", f"minirun login {host}")
    return MinirunError(error.message, hint_for(answer))


def _received(answer: Answer) -> int:
    """Bytes the registry has; 0 when it does not say.  `0-0` may mean none or one, so it says nothing."""
    match = _RANGE.fullmatch(answer.headers.get("Range", ""))
    last = number(match[1]) if match else 0
    return last + 1 if last else 0
