"""Leases: who builds a key now. A holder that dies frees it by itself, at once where its death can be seen."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db.engine import translated, writing

_CLOCK = {
    # The database's clock, one for every host; SQLite's has milliseconds through julianday.
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())",
}


def owner_name(suffix: str = "") -> str:
    """This process as a lease owner: where it runs, its id, its start, so that a reused id is another one."""
    return ":".join((*_place(), str(os.getpid()), _started("self"), suffix))


def owner_is_dead(owner: str) -> bool:
    """True only when the owner is known to be gone: a process of this host, this boot and this PID namespace that no
    longer runs. Of every other owner only the lease's expiry tells."""
    parts = owner.split(":")
    if len(parts) != 6 or tuple(parts[:3]) != _place() or "" in parts[1:5]:
        return False
    pid, started = parts[3:5]
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's process runs under this id; which one, /proc may hide from us
    return _started(pid) not in ("", started)


@lru_cache(maxsize=1)
def _place() -> tuple[str, str, str]:
    """Host name, boot id and PID namespace, within which a process id means one process: containers share names, and
    two of them the numbers too. "" for what is not known, as where there is no /proc."""
    try:
        if Path("/proc/self").readlink() != Path(str(os.getpid())):
            raise FileNotFoundError("another namespace's /proc says nothing about our processes")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        boot = space = ""
    return socket.gethostname().replace(":", ""), boot, space


def _started(pid: str) -> str:
    """The kernel's start time of a process; ``ended`` where it only waits to be collected, "" where nobody says."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]


def clock(session: Session) -> float:
    """Seconds since the epoch by the database's own clock, the one that every host shares."""
    return float(session.execute(text(f"SELECT {_CLOCK[session.get_bind().dialect.name]}")).scalar_one())


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


def clock_sql(engine: Engine) -> str:
    """SQL for the database's own time, in seconds since the epoch."""
    return _CLOCK[engine.dialect.name]


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
