"""Of several disks the full one is named, also where the error names no file. Small disks, real writes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.disks import mount_of, temporary
from tasks.failures import as_meshmill_error

ROOT = Path(__file__).resolve().parents[2]

FILL = """
import sys
from tasks.failures import as_meshmill_error
try:
    with open(sys.argv[1] + "/file", "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(1 << 16))
except OSError as error:
    assert error.filename is None
    print(as_meshmill_error(error))
"""


@pytest.mark.parametrize("name", ["MESHMILL_HOME", "TMPDIR", "the working folder"])
def test_the_full_disk_is_named_where_the_error_names_no_file(tmp_path: Path, name: str) -> None:
    places = {"MESHMILL_HOME": tmp_path / "home", "TMPDIR": tmp_path / "tmp", "the working folder": tmp_path / "here"}
    for place in places.values():
        place.mkdir()
    full = places[name]
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc"]
    if shutil.which("unshare") is None or subprocess.run([*shell, "mount -t tmpfs none /mnt"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    script = f'mount -t tmpfs -o size=2m none "{full}"; cd "{places["the working folder"]}"; exec "$@"'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment |= {variable: str(place) for variable, place in places.items() if variable.isupper()}
    command = [*shell, script, "sh", sys.executable, "-c", FILL, str(full)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"The disk is full at {full} ({name} {full}): free some space there" in done.stdout
    assert not any(str(place) in done.stdout for place in places.values() if place != full)


def test_a_file_of_the_full_disk_is_named_where_the_error_names_it(tmp_path: Path) -> None:
    sentence = str(as_meshmill_error(OSError(errno.ENOSPC, "No space left", str(tmp_path / "a" / "b"))))
    assert f"The disk is full at {mount_of(tmp_path)} ({tmp_path}/a/b)" in sentence


def test_a_disk_is_where_it_is_mounted() -> None:
    assert mount_of(Path("/proc/self/status")) == Path("/proc")
    assert mount_of(Path("/proc/nothing/of/that/name")) == Path("/proc")


def test_a_tmpdir_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)  # what was found before
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    folder, free, wrong = temporary()
    assert wrong is not None
    assert f"TMPDIR names {tmp_path}/nowhere" in wrong
    assert str(folder) in wrong
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temporary()[0] == tmp_path
    assert temporary()[2] is None
    assert free > 0
