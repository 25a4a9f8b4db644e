"""Leases: who builds a key now. A holder that dies frees it by itself, at once on its own host."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sqlalchemy import Engine, text

from db.engine import translated, writing

_CLOCK = {
    # The database's clock, one for every host; SQLite's has milliseconds through julianday.
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())",
}


def owner_name(suffix: str = "") -> str:
    """This process as a lease owner: host, process id and the process's start, so that a reused id is another one."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid)}:{suffix}"


def owner_is_dead(owner: str) -> bool:
    """True only when the owner is known to be gone: a process of this host that no longer runs."""
    host, pid, started = (*owner.split(":"), "", "")[:3]
    return host == socket.gethostname() and pid.isdigit() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """The kernel's start time of a process; "" where there is none, or one that only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    try:  # no /proc (macOS): alive is all that can be known
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    return "alive"


def claim(engine: Engine, key: str, owner: str, seconds: float) -> bool:
    """Take the lease if it is free, expired, ours already, or its holder is known to be dead."""
    clock = _CLOCK[engine.dialect.name]
    statement = text(
        f"INSERT INTO lease (key, owner, expires) VALUES (:key, :owner, {clock} + :seconds) "  # noqa: S608
        "ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires = excluded.expires "
        f"WHERE lease.owner = excluded.owner OR lease.expires < {clock} OR lease.owner = :dead"
    )
    with writing(engine) as session:
        holder = session.execute(text("SELECT owner FROM lease WHERE key = :key"), {"key": key}).scalar()
        dead = holder if holder and owner_is_dead(holder) else ""
        values = {"key": key, "owner": owner, "seconds": seconds, "dead": dead}
        return session.connection().execute(statement, values).rowcount == 1


def renew(engine: Engine, key: str, owner: str, seconds: float) -> bool:
    """Extend our lease; False when it is no longer ours."""
    clock = _CLOCK[engine.dialect.name]
    statement = text(f"UPDATE lease SET expires = {clock} + :seconds WHERE key = :key AND owner = :owner")  # noqa: S608
    with writing(engine) as session:
        values = {"key": key, "owner": owner, "seconds": seconds}
        return session.connection().execute(statement, values).rowcount == 1


def release(engine: Engine, key: str, owner: str) -> None:
    """Give our lease back; no error when it is no longer ours."""
    with translated(), writing(engine) as session:
        session.execute(text("DELETE FROM lease WHERE key = :key AND owner = :owner"), {"key": key, "owner": owner})
