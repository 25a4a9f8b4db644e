"""Tensors in and out of files, safely: safetensors and tensor-only pickles, one file or shards, with clear errors."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
"""Endings of files that torch pickles; only tensors and plain containers are ever read from them."""


class _Inert:
    """Stands for a training callback's class that old trainers used as a dictionary key; it can do nothing."""


_HARMLESS = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
)
"""Names in the published ``.ckpt`` files beside tensors. They are replaced by :class:`_Inert`, never imported."""


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint file, on the CPU, by key; a ``state_dict`` entry is unwrapped.

    Pickles are opened with ``weights_only=True`` and nothing else: no code of the file runs. Raises
    :class:`CheckpointError` where the file is absent, truncated, of another kind, or contains anything but tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no weight file {path.name} in {path.parent}.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return _read_pickle(path)
    raise CheckpointError(f"{path.name} is not a weight file: expected .safetensors, .ckpt, .pt, .pth or .bin.")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} is truncated or not a safetensors file: {error}.") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    import torch

    with torch.serialization.safe_globals([(_Inert, name) for name in _HARMLESS]):
        try:
            # Mapped files keep a 15 GB training checkpoint, optimiser and all, out of memory.
            data = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except pickle.UnpicklingError as error:
            if _looks_truncated(path):
                raise CheckpointError(f"{path.name} is truncated or not a PyTorch file.") from error
            raise CheckpointError(
                f"{path.name} was refused: it holds Python objects beside tensors and could run code when opened. "
                f"Use a .safetensors file, or one that holds only weights ({_first_sentence(error)})."
            ) from error
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{path.name} is truncated or not a PyTorch file: {_first_sentence(error)}"
            ) from error
    if isinstance(data, Mapping) and isinstance(data.get("state_dict"), Mapping):
        data = data["state_dict"]
    if not isinstance(data, Mapping):
        raise CheckpointError(f"{path.name} holds a {type(data).__name__}, not a table of tensors.")
    return {str(key): value for key, value in data.items() if isinstance(value, torch.Tensor)}


def _looks_truncated(path: Path) -> bool:
    """Neither a complete zip nor the start of a pickle."""
    with path.open("rb") as file:
        head = file.read(2)
    return not zipfile.is_zipfile(path) and head != b"\x80\x02"


def _first_sentence(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    named = next((line for line in lines if "GLOBAL" in line or "global" in line), lines[0])
    return named[:200]


def read_part(folder: Path, stems: tuple[str, ...]) -> tuple[dict[str, Tensor], list[Path]]:
    """The tensors of one model part and the files they came from.

    Looks for ``<stem>.safetensors``, its sharded form, the ``.fp16`` variant, then ``.bin``, in that order.
    """
    for stem in stems:
        for ending in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"):
            if (folder / (stem + ending)).is_file():
                path = folder / (stem + ending)
                return read_tensors(path), [path]
            if (folder / f"{stem}{ending}.index.json").is_file():
                return _read_shards(folder / f"{stem}{ending}.index.json")
    raise CheckpointError(f"The folder {folder.name} of the checkpoint has no weights ({stems[0]}.safetensors).")


def _read_shards(index: Path) -> tuple[dict[str, Tensor], list[Path]]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index.name} has no weight_map.")
    tensors: dict[str, Tensor] = {}
    files = [index.parent / plain_name(str(name), index) for name in sorted(set(weight_map.values()))]
    for file in files:
        tensors |= read_tensors(file)
    for key in weight_map:
        if key not in tensors:
            raise CheckpointError(f"{index.name} promises '{key}', but {weight_map[key]} does not hold it.")
    return tensors, files


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or :class:`CheckpointError` naming the file."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.parent.name}/{path.name} is missing or not JSON.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path.parent.name}/{path.name} is not a JSON object.")
    return data


def plain_name(name: str, said_by: Path) -> str:
    """``name`` if it is a single path component, else refused: a checkpoint never names files outside its folder."""
    if not name or name in {".", ".."} or any(sign in name for sign in "/\\\0:"):
        raise CheckpointError(f"{said_by.name} was refused: it names a file outside its folder ('{name[:80]}').")
    return name


def fill(module: Any, tensors: Mapping[str, Tensor], source: str, dtype: torch.dtype) -> None:
    """Put ``tensors`` into ``module`` (which may live on ``meta``), as ``dtype``, without copying where possible.

    Raises :class:`CheckpointError` naming ``source``, the key, and the expected and found shapes.
    """
    expected = module.state_dict()
    for key, here in expected.items():
        if key not in tensors:
            raise CheckpointError(f"{source} lacks the tensor '{key}' of shape {tuple(here.shape)}.")
        if tensors[key].shape != here.shape:
            raise CheckpointError(
                f"{source}: '{key}' has shape {tuple(tensors[key].shape)} where {tuple(here.shape)} is expected."
            )
        if not tensors[key].is_floating_point():
            raise CheckpointError(f"{source}: '{key}' holds {tensors[key].dtype}, not floating-point weights.")
    extra = sorted(key for key in tensors if key not in expected and not key.endswith("position_ids"))
    if extra:
        shape = tuple(tensors[extra[0]].shape)
        raise CheckpointError(f"{source} holds {len(extra)} unknown tensor(s), first '{extra[0]}' of shape {shape}.")
    ready = {key: tensors[key].to(dtype).contiguous() for key in expected}
    module.load_state_dict(ready, strict=True, assign=True)


def materialise_positions(image_encoder: Any) -> None:
    """Give CLIP the position numbers that no file holds and that building on ``meta`` leaves empty."""
    import torch

    embeddings = image_encoder.vision_model.embeddings
    count = embeddings.position_embedding.weight.shape[0]
    embeddings.register_buffer("position_ids", torch.arange(count)[None], persistent=False)


def write_part(folder: Path, stem: str, tensors: Mapping[str, Tensor], shard_bytes: int) -> None:
    """Save tensors as ``<stem>.safetensors``, or as numbered shards with an index where one file would be too big."""
    from safetensors.torch import save_file

    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        if size + tensor.nbytes > shard_bytes and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += tensor.nbytes
    if len(shards) == 1:
        save_file(shards[0], folder / f"{stem}.safetensors", metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"{stem}-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, name)
    total = sum(tensor.nbytes for shard in shards for tensor in shard.values())
    write_json(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")
