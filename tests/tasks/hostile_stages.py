"""A decoder that a photo has taken over: what it tries, and how far it comes. The answer is a file of what it got."""

from __future__ import annotations

import json
import mmap
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from core.progress import Progress
from tasks.worker import StageCall, StageOutput


def attempt(what: Callable[[], object]) -> str:
    try:
        return f"got {what()}"
    except (OSError, MemoryError, ValueError) as error:
        return f"refused: {type(error).__name__} {error}"


def raw(call: int, *arguments: int) -> int:
    """A system call past every library."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    answer = int(libc.syscall(call, *arguments))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def connected(port: int, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> str:
    with socket.socket(family, kind) as opened:
        opened.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        return "a connection"


def much_memory() -> str:
    taken = mmap.mmap(-1, 1 << 46, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return f"{len(taken)} bytes"


def large_file(path: Path) -> str:
    with path.open("wb") as file:
        file.truncate(1 << 44)
    return "a large file"


def below(code: str) -> str:
    """The same in a process that it starts."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.splitlines()[-1])
    return done.stdout


def compute(call: StageCall, progress: Progress) -> StageOutput:
    port, parent = int(call.params["port"]), os.getppid()
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('a connection')"
    found = {
        "environment": attempt(lambda: dict(os.environ)),
        "its own /proc/environ": attempt(lambda: Path("/proc/self/environ").read_bytes()),
        "the run's environment": attempt(lambda: Path(f"/proc/{parent}/environ").read_bytes()),
        "the run's memory": attempt(lambda: Path(f"/proc/{parent}/mem").open("rb").close()),
        "tcp": attempt(lambda: connected(port)),
        "tcp over IPv6": attempt(lambda: connected(port, socket.AF_INET6)),
        "udp": attempt(lambda: connected(port, kind=socket.SOCK_DGRAM)),
        "http": attempt(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)),
        "a socket by io_uring": attempt(lambda: raw(425, 8, 0)),
        "a connection by a child": attempt(lambda: below(connect)),
        "the run's environment by a child": attempt(lambda: below(f"print(open('/proc/{parent}/environ').read())")),
        "memory": attempt(much_memory),
        "disk": attempt(lambda: large_file(Path(call.params["folder"]) / "large")),
    }
    return StageOutput({"found.json": json.dumps(found).encode()})
