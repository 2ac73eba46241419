"""A proxy between client and server that can drop the connection instead of an answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Cutter:
    """Listens on `port` for the server's clients; as a context it is open."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.num_cut = 0
        self._cut_next = threading.Event()

    def __enter__(self) -> Cutter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def cut_next_answer(self) -> None:
        """Let the server execute the next call, and drop the connection before its answer."""
        self._cut_next.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                threading.Thread(
                    target=self._pass, args=(client, server), kwargs={"answers": False}, daemon=True
                ).start()
                threading.Thread(
                    target=self._pass, args=(server, client), kwargs={"answers": True}, daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65_536):
                if answers and self._cut_next.is_set():
                    break
                sink.sendall(data)
            else:
                return
            self._cut_next.clear()
            self.num_cut += 1
            source.shutdown(socket.SHUT_RDWR)  # wakes the other direction too
            sink.shutdown(socket.SHUT_RDWR)
