"""Checkpoints that are wrong, truncated or hostile: refused with a sentence that names file, key and shapes."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zero123_helpers import settings

from core.errors import CheckpointError
from core.zero123.checkpoints import load_model, save_pretrained


class Bomb:
    """Pickles to a call that would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.write_text, (self.target, "executed")


@pytest.mark.parametrize("name", ["evil.ckpt", "evil.pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_that_would_run_code_are_refused_unopened(tmp_path: Path, name: str, zipped: bool) -> None:
    import torch

    target, path = tmp_path / "executed", tmp_path / name
    if zipped:
        torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Bomb(target)}, path)
    else:
        path.write_bytes(pickle.dumps({"state_dict": Bomb(target)}, protocol=2))
    with pytest.raises(CheckpointError, match=rf"{name} was refused: it holds Python objects"):
        load_model(path)
    assert not target.exists()


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_truncated_originals_are_refused(original: Path, tmp_path: Path, suffix: str) -> None:
    import torch
    from safetensors.torch import load_file

    path = tmp_path / f"half{suffix}"
    if suffix == ".ckpt":
        torch.save({"state_dict": load_file(original)}, path)
    else:
        shutil.copy(original, path)
    truncated(path)
    with pytest.raises(CheckpointError, match=rf"half{suffix} is truncated or not a"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("model_ema.diffusion_modelout2bias", None, "The EMA copy is incomplete: it lacks the tensor 'model_ema"),
        (
            "first_stage_model.quant_conv.weight",
            None,
            "lacks the tensor 'first_stage_model.quant_conv.weight' \\(shape",
        ),
        ("cc_projection.weight", None, "is no Zero-1-to-3 checkpoint: it lacks the tensor 'cc_projection.weight'"),
        ("cc_projection.bias", (7,), "'cc_projection.bias' has shape \\(7,\\); \\(48,\\) is expected"),
        (
            "cond_stage_model.model.visual.transformer.resblocks.0.attn.in_proj_weight",
            (12, 64),
            "in_proj_weight' has shape \\(12, 64\\); \\(64, 64\\) is expected for each third",
        ),
    ],
)
def test_wrong_originals_name_file_key_and_shapes(
    original: Path, tmp_path: Path, key: str, change: tuple[int, ...] | None, message: str
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from core.zero123.ldm import load_original

    state = load_file(original)
    del state[key]
    if change:
        state[key] = torch.zeros(change)
    path = tmp_path / "wrong.safetensors"
    save_file(state, path)
    with pytest.raises(CheckpointError, match=message):
        load_original(path, settings=settings())


def remove_key(folder: Path) -> None:
    edit(folder, lambda state: {key: value for key, value in state.items() if key != "conv_out.bias"})


def wrong_shape(folder: Path) -> None:
    import torch

    edit(folder, lambda state: state | {"conv_out.bias": torch.zeros(9)})


def extra_key(folder: Path) -> None:
    import torch

    edit(folder, lambda state: state | {"stowaway.weight": torch.zeros(2, 2)})


def edit(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(change(load_file(file)), file)


def rewrite(folder: Path, file: str, **changes: Any) -> None:
    data = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(data | changes))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove_key, r"unet/diffusion_pytorch_model.safetensors lacks the tensor 'conv_out.bias' of shape \(4,\)"),
        (wrong_shape, r"unet/diffusion_pytorch_model.safetensors: 'conv_out.bias' has shape \(9,\) where \(4,\)"),
        (extra_key, r"holds 1 unknown tensor\(s\), first 'stowaway.weight' of shape \(2, 2\)"),
        (
            lambda folder: truncated(folder / "vae" / "diffusion_pytorch_model.safetensors"),
            "diffusion_pytorch_model.safetensors is truncated or not a safetensors file",
        ),
        (lambda folder: shutil.rmtree(folder / "cc_projection"), "has no pose projection"),
        (lambda folder: shutil.rmtree(folder / "image_encoder"), "image_encoder/config.json is missing"),
        (lambda folder: (folder / "unet/config.json").write_text("{"), "unet/config.json is missing or not JSON"),
        (
            lambda folder: rewrite(folder, "scheduler/scheduler_config.json", beta_schedule="linear"),
            "beta_schedule is 'linear', expected scaled_linear",
        ),
        (
            lambda folder: rewrite(folder, "scheduler/scheduler_config.json", prediction_type="sample"),
            "prediction_type 'sample' is not supported",
        ),
        (
            lambda folder: rewrite(folder, "model_index.json", unet=["evil_module", "Backdoor"]),
            "'unet' is a .*Backdoor.*, expected UNet2DConditionModel",
        ),
        (
            lambda folder: rewrite(folder, "model_index.json", **{"../../outside": ["diffusers", "AutoencoderKL"]}),
            "model_index.json was refused: it names a file outside its folder",
        ),
    ],
)
def test_spoilt_folders_are_refused_with_a_sentence(
    folder: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(folder)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


def test_shards_outside_the_folder_are_refused(tiny: Any, tmp_path: Path) -> None:
    folder = save_pretrained(tiny, tmp_path / "shards", shard_bytes=100_000)
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    data = json.loads(index.read_text())
    data["weight_map"]["conv_out.bias"] = "../vae/diffusion_pytorch_model.safetensors"
    index.write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match="was refused: it names a file outside its folder"):
        load_model(folder)


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint at nowhere"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"There is no weight file nowhere\.ckpt"):
        load_model(tmp_path / "nowhere.ckpt")


def test_configurations_that_ask_for_the_moon_are_errors_not_memory(folder: Path) -> None:
    rewrite(folder, "unet/config.json", block_out_channels=[320000, 640000])
    with pytest.raises(CheckpointError, match="has shape"):
        load_model(folder)
