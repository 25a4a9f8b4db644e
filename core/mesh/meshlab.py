"""pymeshlab from a safe distance: in a process that can crash, hang or be missing without hurting the caller's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Parts = list[tuple[NDArray[np.float64], NDArray[np.int64]]]

ROOT = Path(__file__).resolve().parents[2]
WORKER = ("-P", "-m", "core.mesh.meshlab_worker")
"""``-P``: a folder named ``core`` where the caller stands must not be taken for ours."""


class MeshlabUnavailable(Exception):
    """pymeshlab gave nothing usable; ``str(error)`` says why. Callers fall back and record it."""


def decimate_in_worker(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], targets: list[int], timeout: float
) -> Parts:
    """pymeshlab's quadric decimation to each of ``targets`` (descending) in one worker process.

    Raises :class:`MeshlabUnavailable` when the worker crashes, is killed, outlives ``timeout`` seconds or is missing.
    Nothing about the result is checked here.
    """
    with tempfile.TemporaryDirectory(prefix="meshmill-") as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, allow_pickle=False, vertices=vertices, faces=faces, targets=np.array(targets, np.int64))
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *WORKER, str(source), str(target)]
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise MeshlabUnavailable(f"pymeshlab was killed after {timeout:.0f} s.") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        if process.returncode:
            last = (errors.strip().splitlines() or ["no message"])[-1]
            raise MeshlabUnavailable(f"pymeshlab's process ended with {process.returncode}: {last[:200]}")
        try:
            with np.load(target, allow_pickle=False) as data:
                return [
                    (data[f"vertices_{i}"].astype(np.float64), data[f"faces_{i}"].astype(np.int64))
                    for i in range(len(targets))
                ]
        except (OSError, KeyError, ValueError) as error:
            raise MeshlabUnavailable(f"pymeshlab's answer cannot be read: {error}") from error
