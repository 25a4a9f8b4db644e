"""A balancer before a server that answers requests itself when told to: errors, late, half of the answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

METHODS = (b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ", b"PATCH ")

PAGES = {
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n"
    b"<h1>no way</h1>",
}


class Balancer:
    """A port that passes on to another; :meth:`trouble` says what happens to the next requests."""

    def __init__(self, upstream: int) -> None:
        self.upstream, self.kind, self.left, self.done = upstream, "", 0, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def trouble(self, kind: str, requests: int) -> None:
        """``503``, ``500``, ``404`` (a page of the balancer's own), ``slow`` or ``partial`` for so many requests."""
        with self._lock:
            self.kind, self.left, self.done = kind, requests, 0

    def _next(self, data: bytes) -> str:
        """What is to happen to a request that begins with this."""
        with self._lock:
            if not self.left or not data.startswith(METHODS):
                return ""
            if self.kind == "partial" and not data.startswith(b"GET "):
                return ""
            self.left, self.done = self.left - 1, self.done + 1
            return self.kind

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        half = threading.Event()
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream))
        except OSError:
            client.close()
            return
        threading.Thread(target=self._answers, args=(server, client, half), daemon=True).start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                what = self._next(data)
                if what in PAGES:
                    client.settimeout(0.2)
                    with suppress(TimeoutError):  # a client that still sends would not hear the answer
                        while client.recv(1 << 16):
                            pass
                    client.sendall(PAGES[what])
                    break
                if what == "slow":
                    time.sleep(1)
                if what == "partial":
                    half.set()
                server.sendall(data)
        _close(client, server)

    def _answers(self, server: socket.socket, client: socket.socket, half: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if half.is_set():
                    client.sendall(data[: len(data) // 2])
                    break
                client.sendall(data)
        _close(client, server)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
