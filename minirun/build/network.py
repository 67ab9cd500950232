"""The network of a build: one network namespace on the default network, for all RUNs that want one.

To make it takes as long as three RUNs without it, so it is made once, when the first RUN that asks for it is in sight,
by a child: what makes links never gets into the build's own process.  Nobody waits for it but that RUN.

    coordinator  start() ── fork ──> child: bridge, veth, address, nftables; then its end of the pipe is closed
                    |
                    └── fork ──> a RUN: path() reads the pipe to its end, and what the child has left to say

The namespace is held by a descriptor of the build and of nobody else.  When the build is killed the kernel takes it
apart, with the veth; its address is struck out by whoever looks at the networks next.

See      engine/shim/netmaker.py, which does it for a container; network_namespaces(7)
By hand  minirun network inspect bridge, while a build runs
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.build import run_state, system_errors
from minirun.errors import MinirunError
from minirun.linux import trace
from minirun.network import ledger, namespace
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.run_state import RunState
    from minirun.network.sandbox import Sandbox

_ANSWER_BYTES = 1 << 16


class Network:
    """Of one build.  It is made by start(), which a second time does nothing."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self._namespace = self._pipe = self._answer = -1
        self._maker = 0
        self._path = ""

    def start(self) -> None:
        """Begin to make it.  Called by the build itself, before it forks the RUN that wants it."""
        if self._path:
            return
        trace.step("network", "one for all RUNs, made before the first that asks for it")
        self._namespace = namespace.create()
        self._path = f"/proc/{os.getpid()}/fd/{self._namespace}"
        self._answer = os.memfd_create("network")  # not a file: the disk may be full
        self._pipe, told = os.pipe2(os.O_CLOEXEC)
        try:
            parent = os.getpid()
            self._maker = process.fork(lambda: self._make(parent))
        finally:
            os.close(told)

    def path(self) -> str:
        """The path of the namespace, when it is on the network.  Raises MinirunError for what went wrong.

        Called by RUNs' children: it waits.
        """
        if not self._path:
            raise MinirunError("the network of the build has not been begun")
        os.read(self._pipe, 1)  # nobody writes: it ends when the child has
        text = os.pread(self._answer, _ANSWER_BYTES, 0)  # at a place: other RUNs read it, too
        answer = jsontext.loads(text) if text else {"error": "it was killed"}
        if "error" in answer:
            raise MinirunError(f"the network of the build: {answer['error']}", answer.get("hint", ""))
        return self._path

    def close(self) -> None:
        """Off the network.  Called by the build itself, when no RUN is left.  Raises MinirunError, OSError."""
        if not self._path:
            return
        process.kill_and_wait(self._maker)
        os.close(self._namespace)
        os.close(self._pipe)
        os.close(self._answer)
        self._path = ""
        run_state.leave_network(self.state.paths, self.state.id)

    # ---- the child

    def _make(self, parent: int) -> int:
        """It ends with the build, or what it makes would be nobody's."""
        os.setsid()  # Ctrl-C is for the build, which then ends us
        process.die_with(parent, why="without the build there is nobody to be on the network")
        answer: dict[str, str] = {}
        try:
            from minirun.network import bridge

            bridge.attach(self.state.paths, self._sandbox(), [ledger.attachment(ledger.DEFAULT)], self._path)
        except (MinirunError, OSError) as error:
            found = system_errors.told(error)
            answer = {"error": str(found), "hint": getattr(found, "hint", "")}
        os.write(self._answer, jsontext.dumps(answer).encode())
        return 0

    def _sandbox(self) -> Sandbox:
        """The build in the place of a container."""
        return {
            "id": self.state.id,
            "name": self.state.id,
            "run": self.state.directory,
            "nameservers": [],
            "names": [],
            "ports": [],
        }
