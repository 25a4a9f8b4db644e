"""A proxy before a server that answers each kind of request with an error once, and passes it on after that."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANSWER = b"HTTP/1.1 %d Stumbled\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class StumblingProxy:
    """Listens on loopback; ``stumbled`` counts the errors by kind of request: its method, and its path without ids."""

    def __init__(self, port: int, status: int = 500) -> None:
        self._behind, self._status = port, status
        self.stumbled: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := client.recv(65536)):
                    return
                head += more
            if self._stumbles(head):
                given = re.search(rb"(?i)content-length: *(\d+)", head)
                left = int(given[1]) - len(head.partition(b"\r\n\r\n")[2]) if given else 0
                while left > 0:  # an unread body would reset the connection
                    left -= len(client.recv(65536)) or left
                client.sendall(ANSWER % self._status)
                return
            if b"\r\nupgrade:" not in head.lower():  # one request a connection: each is looked at
                head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)
                head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            with socket.create_connection(("127.0.0.1", self._behind)) as server:
                server.sendall(head)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    def _stumbles(self, head: bytes) -> bool:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        kind = f"{method} {re.sub(r'[0-9a-f-]{32,36}', 'ID', path.partition('?')[0])}"
        with self._lock:
            first = kind not in self.stumbled
            self.stumbled[kind] += first
        return first


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def stumbling_proxy(port: int, status: int = 500) -> Iterator[StumblingProxy]:
    """In the block, before the server on ``port``."""
    proxy = StumblingProxy(port, status)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
