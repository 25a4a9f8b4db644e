"""The image's own steps, replayed without a container engine: its RUN lines on what `.dockerignore` lets through.

Only the packages are not downloaded again: the environment of the tests stands for `/opt/meshmill`'s. Not run: the base
image, apt-get, the user, PyTorch's index.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def stages() -> dict[str, list[tuple[str, str]]]:
    """The Dockerfile's instructions by the stage's name, continued lines joined."""
    text = re.sub(r"\\\n(\s*#.*\n)*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found[rest.split(" AS ")[1]] = []
        elif found and word.isupper():
            found[next(reversed(found))].append((word, rest))
    return found


def let_through() -> list[Path]:
    """The files that a build is sent: everything is ignored but what stands behind an exclamation mark."""
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").split("\n") if line and line[0] != "#"]
    assert lines[0] == "*"
    kept = [ROOT / line[1:] for line in lines if line.startswith("!")]
    assert all(path.exists() for path in kept), "a name that nothing has"
    files = [file for path in kept for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return [file for file in files if "__pycache__" not in file.parts and not fnmatch.fnmatch(file.name, "*.pyc")]


def test_every_package_of_the_wheel_is_let_through():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= {file.relative_to(ROOT).parts[0] for file in let_through()}


class Replay:
    """A folder that stands for the image's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "source"

    def place(self, text: str) -> str:
        """A command with the image's folders below the root."""
        text = re.sub(r"(?<![\w/])/(opt|code|wheels|weights)\b", lambda found: f"{self.root}/{found[1]}", text)
        return text.replace("python3.11", PYTHON)

    def run(self, command: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        kept |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # 0 means: without isolation
        bash = ["/bin/bash", "-euo", "pipefail", "-c", self.place(command)]
        done = subprocess.run(bash, cwd=self.source, env=kept, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The final stage's `/opt/meshmill`."""
    replay = Replay(tmp_path_factory.mktemp("image"))
    for file in let_through():
        target = replay.source / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    steps = stages()
    install = [rest for word, rest in steps["dependencies"] if word == "RUN"]
    replay.run(install[0])
    replay.run(install[2].partition("&&")[0])  # what is to be installed; the packages stand already
    wanted = (replay.source / "requirements.txt").read_text().split("\n")[:-1]
    assert wanted == tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    site = replay.root / "opt" / "meshmill" / "lib" / PYTHON / "site-packages"
    replay.run("/opt/meshmill/bin/pip uninstall --yes setuptools")  # old; a build fetches its own where a network is
    packages = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    (site / "packages.pth").write_text("\n".join(packages))
    for word, rest in steps["code"]:
        if word == "RUN":
            replay.run(rest)
    for word, rest in steps["image"]:
        if found := re.match(r"--from=\S+ (\S+) (\S+)", rest) if word == "COPY" else None:
            source, target = (Path(replay.place(path)) for path in found.groups())
            if source != target:
                shutil.copytree(source, target, dirs_exist_ok=True)
    return replay.root / "opt" / "meshmill"


def inside(image: Path, *command: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MESHMILL_", "PREFECT_"))
    }
    kept |= {"PATH": f"{image / 'bin'}:/usr/bin:/bin", "MESHMILL_HOME": str(image.parent / "home")}
    done = subprocess.run(command, cwd=image.parent, env=kept, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_says_its_version_and_finds_its_weights(image: Path) -> None:
    assert inside(image, "meshmill", "--version").startswith("meshmill ")
    assert (image / "lib" / PYTHON / "site-packages" / "models").is_dir()
    place = inside(image, str(image / "bin" / "python"), "-P", "-c", "import core, models; print(core.__file__)")
    assert place.startswith(str(image)), "the checkout would prove nothing"
    assert "starter" in inside(image, "meshmill", "doctor")


def test_weights_and_code_are_layers_of_their_own(image: Path) -> None:
    code = image.parents[1] / "code"
    assert not (code / "lib" / PYTHON / "site-packages" / "models").exists()
    size = sum(path.stat().st_size for path in code.rglob("*") if path.is_file())
    assert size < 10 << 20, "a change of the code would upload more than itself"


def test_the_image_brings_the_kit(image: Path) -> None:
    kit = image / "share" / "meshmill"
    assert (kit / "deploy" / "setup.sh").is_file()
    setup = next(s for s in (ROOT / "compose.yaml").read_text("utf-8").split("\n") if "setup.sh" in s)
    assert "/opt/meshmill/share/meshmill/deploy/setup.sh" in setup
    environment = dict(re.findall(r"(\w+)=(\S+)", dict(stages()["image"])["ENV"]))
    folder = Path(environment["MESHMILL_DIRECTORY"].replace("/opt/meshmill", str(image)).replace("python3.11", PYTHON))
    assert (folder / "flows" / "ingest.py").is_file(), "where the deployments' flows are looked for"
