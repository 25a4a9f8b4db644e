"""Packages from npm's registry that tests need: pinned by a lock file in the tree, installed once a folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def install_node(source: Path, folder: Path, package: str) -> str | None:
    """What ``source`` locks, into ``folder``; why not, where that is impossible."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return f"node and npm are not installed: {package} cannot run"
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    if not (folder / "node_modules" / package).is_dir():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        install = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if install.returncode:
            return f"{package} could not be installed: {install.stderr.strip()[-200:]}"
    return None
