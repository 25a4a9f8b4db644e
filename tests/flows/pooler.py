"""A PgBouncer before a PostgreSQL, for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port
from sqlalchemy import make_url


@contextmanager
def pgbouncer(postgres_url: str) -> Iterator[str]:
    """The URL of a pooler (transaction pooling, four server connections taken in turns) before the database."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    url, port = make_url(postgres_url), free_port()
    socket_folder = str(url.query["host"])
    with tempfile.TemporaryDirectory(prefix="meshmill-pgbouncer-") as name:
        folder = Path(name)
        (folder / "users.txt").write_text(f'"{url.username}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\nshop = host={socket_folder} dbname={url.database} user={url.username}\n"
            f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nauth_type=any\nauth_file={folder}/users.txt\n"
            "pool_mode=transaction\ndefault_pool_size=4\nmin_pool_size=4\nserver_round_robin=1\nmax_client_conn=100\n"
            f"logfile={folder}/log\npidfile={folder}/pid\nunix_socket_dir=\n"
        )
        command = [program, str(folder / "pgbouncer.ini")]
        if os.getuid() == 0:  # it refuses to be root, as PostgreSQL does, whose socket it must reach
            owner = Path(socket_folder).stat()
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner.st_uid, owner.st_gid)
            command[1:1] = ["-u", pwd.getpwuid(owner.st_uid).pw_name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgresql://{url.username}@127.0.0.1:{port}/shop"
        process.terminate()
        process.wait(10)
