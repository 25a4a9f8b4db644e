"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

BESIDE = 10_000
"""Some servers (SeaweedFS) listen this much further up too."""


def free_port() -> int:
    """A port that is free, and the one beside it. Both lie below those that the system gives to outgoing connections
    (32768 and up on Linux): else somebody's connection may hold one when the server starts."""
    while True:
        port = random.randrange(11_000, 20_000)
        with socket.socket() as probe, socket.socket() as beside, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            beside.bind(("127.0.0.1", port + BESIDE))
            return port
