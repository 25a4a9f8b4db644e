"""A process that reads hostile photos holds no secrets, opens no connection, looks into no other process, and may not
fill memory or disk. Each by what the kernel offers without privileges; where it offers less, less is held."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SECRET = re.compile(
    r"^(MESHMILL_(DATABASE_URL|STORE_URL|S3_|SOURCE_|WEBHOOK_|GALLERY_)|PREFECT_|PG|AWS_|DATABASE_URL$)"
    r"|PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_KEY|AUTH",
    re.IGNORECASE,
)
"""Variables that a stage has no need of: where the database and the store are, and whatever opens a door."""

LARGEST_FILE = 16 << 30
"""Bytes of a file that a stage may write: checkpoints of reconstructions stay far below."""

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
IO_URING_SETUP = 425
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_MAKE_CHAR, LANDLOCK_MAKE_BLOCK = 1 << 6, 1 << 11
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
AF_UNIX, AF_NETLINK = 1, 16
CAPABILITY_VERSION = 0x20080522
OVER_FILES = 0b101111
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER and CAP_KILL."""


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What a stage's process is started with. It must be so from the start: /proc shows what a process began with."""
    return {name: value for name, value in environment.items() if not SECRET.search(name)}


def confine() -> list[str]:
    """Confine this process and all that it will start, for good; must be called before it has threads.

    Returns what holds: ``memory``, ``files``, ``network``, ``processes``.
    """
    held = []
    with suppress(OSError, ValueError):  # a lower limit than ours stands already
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        held.append("files")
    with suppress(OSError, ValueError):
        # What is written to, not what is reserved: CUDA reserves terabytes of addresses, so RLIMIT_AS would end it.
        most = memory_of_this_machine()
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        held.append("memory")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return held
    _drop_capabilities(libc)
    if _sees_only_itself(libc):
        held.append("processes")
    if _opens_no_connection(libc):
        held.append("network")
    return held


def memory_of_this_machine() -> int:
    """Bytes of RAM, of the container's share where that is less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found.append(int(Path(name).read_text()))
    return min(found)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Of root's powers only those over files: with the one over performance it reads any process's environment."""
    now = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same of the higher thirty-two
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    if libc.capget(header, now) == 0:
        less = (ctypes.c_uint32 * 6)(now[0] & OVER_FILES, now[1] & OVER_FILES)
        libc.capset(header, less)


def _sees_only_itself(libc: ctypes.CDLL) -> bool:
    """A Landlock domain, whose members may not trace those outside, nor read their environment or memory in /proc.
    What it denies of files is making devices, which nobody needs."""
    attributes = ctypes.create_string_buffer(struct.pack("Q", LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK))
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _opens_no_connection(libc: ctypes.CDLL) -> bool:
    """A seccomp filter (linux/filter.h): `socket` of any family but the two that stay on this machine, and io_uring,
    which could make sockets past it, answer "permission denied"; so does every call of another architecture."""
    machine = platform.machine()
    if machine not in AUDIT_ARCH:
        return False
    load, equal, greater, answer = 0x20, 0x15, 0x35, 0x06
    denied, allowed = 0x00050000 | 13, 0x7FFF0000  # SECCOMP_RET_ERRNO | EACCES, SECCOMP_RET_ALLOW
    lines = [
        (load, 0, 0, 4),  # the architecture
        (equal, 0, 7, AUDIT_ARCH[machine]),
        (load, 0, 0, 0),  # the call
        (greater, 5, 0, 0x40000000),  # x32's numbers, another door to the same calls
        (equal, 4, 0, IO_URING_SETUP),
        (equal, 0, 4, SOCKET[machine]),
        (load, 0, 0, 16),  # its family
        (equal, 2, 0, AF_UNIX),
        (equal, 1, 0, AF_NETLINK),
        (answer, 0, 0, denied),
        (answer, 0, 0, allowed),
    ]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)
