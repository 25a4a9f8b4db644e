"""The wheel, installed where no checkout is, says that all is well and builds a photo."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("reconstruct.steps=20", "reconstruct.grid=32", "finish.texture=512", "finish.faces=2000")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment of its own: the built wheel, and this environment's dependencies."""
    folder = tmp_path_factory.mktemp("install")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", *map(str, folder.glob("*.whl"))], check=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True
    )
    # A path in a .pth file is searched, its own .pth files are not read: the checkout stays out.
    dependencies = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    Path(site.stdout.decode().strip(), "dependencies.pth").write_text("\n".join(dependencies))
    return python.parent


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder with folders of the user's own that bear our packages' names, and a photo."""
    for name in ("flows", "core", "tasks", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the folder of somebody else')\n")
    (tmp_path / "photos").mkdir()
    example = ROOT / "examples" / "photos" / "enamel-mug-green.png"
    (tmp_path / "photos" / "mug.png").write_bytes(example.read_bytes())
    return tmp_path


def _meshmill(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_", "PYTHON"))
    }
    return subprocess.run([installed / "meshmill", *arguments], cwd=folder, env=kept, capture_output=True, timeout=400)


def test_the_wheel_builds_a_photo_where_no_checkout_is(installed: Path, elsewhere: Path) -> None:
    origin = subprocess.run(
        [installed / "python", "-P", "-c", "import core; print(core.__file__)"], check=True, capture_output=True
    )
    assert str(installed.parent) in origin.stdout.decode(), "the checkout would prove nothing"

    doctor = _meshmill(installed, elsewhere, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout.decode() + doctor.stderr.decode()

    settings = [part for value in SMALL for part in ("--set", value)]
    run = _meshmill(installed, elsewhere, "run", "photos", "--out", "out", "--json", *settings)
    assert run.stdout, run.stderr.decode()
    (asset,) = json.loads(run.stdout)["assets"]
    assert asset["status"] in ("finished", "review"), asset
    assert list((elsewhere / "out").rglob("mug.glb"))


def test_the_embedded_server_starts_beside_folders_of_our_names(installed: Path, elsewhere: Path) -> None:
    start = "server = EmbeddedServer(Path('home')); server.start(); server.wait(); server.stop()"
    code = f"from pathlib import Path; from flows.embedded import EmbeddedServer; {start}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTHON"))}
    subprocess.run([installed / "python", "-P", "-c", code], cwd=elsewhere, env=kept, check=True, timeout=200)


def test_the_example_for_python_runs(installed: Path, elsewhere: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    example = example.replace('out="models"', f'out="models", settings={SMALL!r}')  # the same, at the smallest sizes
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_", "PYTHON"))
    }
    (elsewhere / "script.py").write_text(example)  # without `if __name__ == "__main__"`, as people write them
    command = [installed / "python", "-P", "script.py"]
    done = subprocess.run(command, cwd=elsewhere, env=kept, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "EventsWorker" not in done.stderr, "the first run's server is gone when the second has its own"
    built, counts, *finished = done.stdout.splitlines()
    sku, status, score, file = built.split()
    assert sku == "mug"
    assert status in ("finished", "review")
    assert 0 < float(score) <= 1
    assert (elsewhere / file).read_bytes()[:4] == b"glTF"
    assert f"'{status}': 1" in counts
    # The photo by itself and the folder are two catalogues.
    assert [line.split()[0] for line in finished] == ["mug", "mug"] * (status == "finished")


def test_the_wheel_brings_what_a_server_is_set_up_with(installed: Path) -> None:
    shared = installed.parent / "share" / "meshmill"
    names = {"prefect.yaml", "automations.yaml", "compose.yaml", ".env.example", "deploy"}
    assert {path.name for path in shared.iterdir()} == names
    assert files_of(shared / "deploy") == files_of(ROOT / "deploy")


def files_of(folder: Path) -> set[Path]:
    """Without what Python compiles of scripts."""
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.parent.name != "__pycache__"}
