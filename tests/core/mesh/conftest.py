"""The Khronos validator, installed from npm's registry into the tests' cache; absent, its tests skip and say why."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "validator"


@pytest.fixture(scope="session")
def khronos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """Validate GLB bytes: a list of issue reports, one a file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the Khronos validator cannot run")
    folder = Path(request.config.cache.mkdir("khronos"))  # type: ignore[union-attr]
    for name in ("package.json", "package-lock.json", "validate.js"):
        shutil.copy(HERE / name, folder / name)
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        install = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if install.returncode:
            pytest.skip(f"the Khronos validator could not be installed: {install.stderr.strip()[-200:]}")

    def validate(*files: bytes) -> list[Any]:
        place = tmp_path_factory.mktemp("glb")
        paths = [place / f"{i}.glb" for i in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        command = [node, "validate.js", *map(str, paths)]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120).stdout
        return list(json.loads(out))

    return validate
