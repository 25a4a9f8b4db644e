"""A tiny random model for the room's tests, and the reference one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zero123_helpers import original_settings, scramble, tiny_config, write_original

from core.artifacts import Cutout
from core.zero123.checkpoints import save_pretrained


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Any:
    """A tiny model with random weights; tests do not change it."""
    from core.zero123.model import build_model

    return scramble(build_model(tiny_config(), seed=1), seed=2)


@pytest.fixture(scope="session")
def cutout() -> Cutout:
    """A coloured box on nothing."""
    rng = np.random.default_rng(0)
    rgba = np.zeros((512, 512, 4), np.uint8)
    rgba[..., :3] = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(64, 0).repeat(64, 1)
    rgba[56:456, 130:390, 3] = 255
    return Cutout(rgba, (0, 0, 512, 512), "alpha")


@pytest.fixture(scope="session")
def parity(shared_dir: Path) -> Path:
    return shared_dir / "parity"


@pytest.fixture(scope="session")
def reference(parity: Path) -> Any:
    """The original implementation's tiny model with its EMA weights."""
    from core.zero123.ldm import load_original

    return load_original(parity / "a_model" / "tiny_zero123_ldm.safetensors", settings=original_settings(parity))


@pytest.fixture(scope="session")
def reference_raw(parity: Path) -> Any:
    """The same with the weights that the optimiser last wrote."""
    from core.zero123.ldm import load_original

    path = parity / "a_model" / "tiny_zero123_ldm.safetensors"
    return load_original(path, settings=original_settings(parity), prefer="raw")


@pytest.fixture
def folder(tiny: Any, tmp_path: Path) -> Path:
    return save_pretrained(tiny, tmp_path / "tiny")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny: Any) -> Path:
    """The tiny model in original key names, with a different EMA copy."""
    return write_original(tiny, tmp_path_factory.mktemp("original") / "zero123.safetensors")
