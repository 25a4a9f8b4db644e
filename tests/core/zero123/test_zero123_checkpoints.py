"""Folders and original files: what is saved loads back identically, what is wrong is refused with a sentence."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from zero123_helpers import original_settings, outputs, same, scramble, settings, tiny_config

from core.errors import CheckpointError
from core.zero123.checkpoints import load_model, save_pretrained


def test_a_saved_folder_loads_back_to_identical_outputs(tiny: Any, folder: Path) -> None:
    loaded = load_model(folder)
    assert same(tiny, loaded)
    assert loaded.name == "tiny"
    assert {item.name for item in folder.iterdir() if item.is_dir()} == {
        "unet", "vae", "image_encoder", "cc_projection", "scheduler",
    }  # fmt: skip


def test_shards_load_back_to_identical_outputs(tiny: Any, tmp_path: Path) -> None:
    folder = save_pretrained(tiny, tmp_path / "shards", shard_bytes=100_000)
    assert len(list((folder / "unet").glob("*.safetensors"))) > 3
    assert same(tiny, load_model(folder))


def test_saving_twice_gives_the_same_bytes(tiny: Any, folder: Path, tmp_path: Path) -> None:
    again = save_pretrained(tiny, tmp_path / "again")
    for file in folder.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (again / file.relative_to(folder)).read_bytes(), file.name


def test_half_precision_files_are_widened(tiny: Any, tmp_path: Path) -> None:
    import torch

    loaded = load_model(save_pretrained(tiny, tmp_path / "half", dtype=torch.float16))
    assert loaded.dtype == torch.float32
    for ours, half in zip(outputs(tiny), outputs(loaded), strict=True):
        assert float((ours - half).abs().max() / ours.abs().max()) < 0.02


def test_settings_travel_in_the_folder(tmp_path: Path) -> None:
    from core.zero123.model import Schedule, build_model

    config = tiny_config(schedule=Schedule(prediction="v_prediction"), pose_entry="elevation", name="other")
    loaded = load_model(save_pretrained(build_model(config), tmp_path / "m"))
    assert loaded.schedule == Schedule(prediction="v_prediction")
    assert (loaded.pose_entry, loaded.name, loaded.scaling_factor) == ("elevation", "other", 0.3)


def test_the_published_classes_read_the_folder(tiny: Any, folder: Path) -> None:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPVisionModelWithProjection

    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    clip = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder")
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    for ours, theirs in ((tiny.unet, unet), (tiny.vae, vae), (tiny.image_encoder, clip)):
        state = theirs.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())
    assert torch.allclose(scheduler.alphas_cumprod.double(), tiny.schedule.alphas_cumprod(), rtol=1e-5)


def test_the_other_public_layout(tiny: Any, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    (folder / "cc_projection").rename(folder / "clip_camera_projection")
    file = folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors"
    save_file({key.replace("projection.", "proj."): value for key, value in load_file(file).items()}, file)
    (file.parent / "config.json").write_text('{"additional_embeddings": 4, "embedding_dim": 48}')
    loaded = load_model(folder)
    assert loaded.info["layout"] == "clip_camera_projection"
    assert same(tiny, loaded)


def test_old_folders_with_pickled_weights_and_old_attention_names(tiny: Any, folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    for new, old in names.items():
        state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): value for key, value in state.items()}
    file.unlink()
    torch.save(state, file.with_suffix(".bin"))
    assert same(tiny, load_model(folder))


def test_stable_zero123_folders_can_be_told_their_pose_entry(tiny: Any, folder: Path) -> None:
    assert load_model(folder, pose_entry="elevation").pose_entry == "elevation"


def test_original_files_prefer_the_ema_copy_and_say_so(tiny: Any, original: Path) -> None:
    import torch

    from core.zero123.ldm import load_original

    ema, raw = load_original(original, settings=settings()), load_original(original, settings=settings(), prefer="raw")
    assert (ema.info["weights"], raw.info["weights"]) == ("ema", "raw")
    assert same(tiny, raw)
    assert torch.equal(ema.unet.conv_in.weight, tiny.unet.conv_in.weight * 1.1)


def test_original_ckpt_with_a_trainers_leftovers(tiny: Any, original: Path, tmp_path: Path) -> None:
    """Lightning 1.4, which trained the published weights, keyed its callbacks by their class."""
    import torch
    from safetensors.torch import load_file

    from core.zero123.ldm import load_original

    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = callback  # type: ignore[attr-defined]
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", module.__name__]
    path = tmp_path / "105000.ckpt"
    try:
        for name in names:
            sys.modules[name] = module
        torch.save(
            {"state_dict": load_file(original), "global_step": 105000, "callbacks": {callback: {"best": 1}}}, path
        )
    finally:
        for name in names:
            del sys.modules[name]
    assert same(load_original(original, settings=settings()), load_original(path, settings=settings()))


def test_stable_zero123_is_known_by_its_file_name(tiny: Any, original: Path, tmp_path: Path) -> None:
    from core.zero123.ldm import load_original

    path = shutil.copy(original, tmp_path / "stable_zero123.safetensors")
    assert load_original(path, settings=settings()).pose_entry == "elevation"
    assert load_original(path, settings=settings(), pose_entry="radius").pose_entry == "radius"


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_a_pruned_original_holds_its_schedule_in_half_precision_too(original: Path, tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from core.zero123.ldm import load_original
    from core.zero123.model import Schedule

    tensors = load_file(original)
    tensors["betas"] = Schedule().betas().float()
    pruned = {name: tensor.to(getattr(torch, kind)) for name, tensor in tensors.items()}
    save_file(pruned, tmp_path / "pruned.safetensors")
    assert load_original(tmp_path / "pruned.safetensors", settings=settings()).schedule == Schedule()
    pruned["betas"] = torch.linspace(0.00085, 0.012, 1000).to(getattr(torch, kind))
    save_file(pruned, tmp_path / "linear.safetensors")
    with pytest.raises(CheckpointError, match="square-root-linear"):
        load_original(tmp_path / "linear.safetensors", settings=settings())


def test_converted_originals_export_to_identical_outputs(original: Path, tmp_path: Path) -> None:
    from core.zero123.ldm import load_original

    converted = load_original(original, settings=settings())
    exported = load_model(save_pretrained(converted, tmp_path / "exported"))
    assert same(converted, exported)
    assert exported.info["weights"] == "ema"


@pytest.mark.shared
def test_the_reference_file_exports_to_identical_outputs(reference: Any, tmp_path: Path) -> None:
    exported = load_model(save_pretrained(reference, tmp_path / "reference"))
    assert same(reference, exported)


@pytest.mark.shared
def test_reference_settings_are_read_from_its_configuration(parity: Path) -> None:
    from core.zero123.ldm import OriginalSettings

    assert original_settings(parity) == OriginalSettings(heads=4, latent_size=8, scaling_factor=0.18215)


def test_hub_ids_are_found_in_the_local_cache_only(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    store = tmp_path / "models--shop--views"
    save_pretrained(tiny, store / "snapshots" / ("a" * 40))
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("a" * 40)
    assert same(tiny, load_model("shop/views"))
    assert same(tiny, load_model(f"shop/views@{'a' * 40}"))
    with pytest.raises(CheckpointError, match="'shop/other' is neither a path nor a downloaded model"):
        load_model("shop/other")


def test_saving_never_replaces_what_is_no_checkpoint(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("keep me")
    with pytest.raises(CheckpointError, match="is no checkpoint: it was not overwritten"):
        save_pretrained(tiny, tmp_path)
    assert (tmp_path / "holiday.txt").read_text() == "keep me"


def test_verify_reports_what_a_checkpoint_is(tiny: Any, folder: Path) -> None:
    from core.zero123.inspection import verify_checkpoint
    from core.zero123.weights import file_sha256

    report = verify_checkpoint(folder)
    unet = "unet/diffusion_pytorch_model.safetensors"
    assert report.kind == "cc_projection"
    assert report.sha256[unet] == file_sha256(folder / unet)
    assert report.parameters["cc_projection"] == 48 * 52 + 48
    assert report.parameters["unet"] == sum(p.numel() for p in tiny.unet.parameters())
    assert report.checks["finite"] is True


def test_verify_finds_values_that_are_not_finite(tmp_path: Path) -> None:
    from core.zero123.inspection import verify_checkpoint
    from core.zero123.model import build_model

    model = scramble(build_model(tiny_config()), seed=4)
    model.unet.conv_out.weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"unet\.conv_out\.weight' holds values that are not finite"):
        verify_checkpoint(save_pretrained(model, tmp_path / "nan"))
