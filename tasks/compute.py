"""The stages, computed: bytes in, core's functions, bytes out. Runs in a worker process."""

from __future__ import annotations

import io
import json
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.memory import peak_memory
from core.photo_set import PhotoSet
from core.progress import Progress
from tasks.slots import slot
from tasks.stages import STAGE
from tasks.worker import WAITING, StageCall, StageOutput


def compute(call: StageCall, progress: Progress) -> StageOutput:
    """Compute one stage with core's functions. Raises :mod:`core.errors`."""
    with _slot(call, progress):
        output = COMPUTED[call.stage](call, progress)
    return StageOutput(output.files, output.figures, output.device, _peak_memory(output.device))


def _preload(call: StageCall, progress: Progress) -> StageOutput:
    """Import and load what the stages will need, while somebody else still waits for something."""
    if "segmenter" in call.models:
        _segmenter(call.models["segmenter"])
    if "views" in call.models:
        _model(call.models["views"], _device(call))
    return StageOutput({})


def _segment(call: StageCall, progress: Progress) -> StageOutput:
    from core.photos import PhotoLimits, near_duplicate_hash, read_photo
    from core.segment import SegmentParams, segment

    photo = read_photo(call.inputs["photo"], PhotoLimits())
    params = SegmentParams.model_validate(call.params)
    cutout = segment(photo, params, segmenter=_segmenter(call.models["segmenter"]))
    height, width = photo.rgba.shape[:2]
    figures = {
        "width": width,
        "height": height,
        "format": photo.format,
        "fingerprint": near_duplicate_hash(photo),
        "method": cutout.method,
        "confidence": cutout.confidence,
        "warnings": [*photo.warnings, *cutout.warnings],
    }
    pictures = {"cutout.png": _png(cutout.rgba), "thumbnail.png": _png(_thumbnail(photo.rgba))}
    return StageOutput({"cutout.npz": cutout.to_bytes(), **pictures}, figures)


def _align(call: StageCall, progress: Progress) -> StageOutput:
    from core.placing.align import PhotoToPlace, Placement, align, as_records
    from core.zero123.params import ViewsParams

    device = _device(call)
    shots = [
        PhotoToPlace(
            Cutout.from_bytes(call.inputs[shot["input"]]),
            shot["name"],
            shot["azimuth"],
            shot["elevation"],
            shot["role"],
            tuple(shot["size"]) if shot["size"] else None,
        )
        for shot in call.about["shots"]
    ]
    params = ViewsParams.model_validate(call.params)
    photos, placements = align(_model(call.models["views"], device), shots, params, call.seed, progress)
    placements += [Placement(used=False, **refused) for refused in call.about.get("refused", ())]
    figures = {
        "used": photos.used,
        "elevation": plain(photos.elevation),
        "photos": plain(as_records(placements)),
    }
    return StageOutput({"photos.npz": photos.to_bytes(), "placement.json": _json(figures)}, figures, device)


def _recolour(call: StageCall, progress: Progress) -> StageOutput:
    from core.placing.recolour import recolour

    if "base photos" in call.inputs:
        base = PhotoSet.from_bytes(call.inputs["base photos"]).main.framed()
    else:
        base = Cutout.from_bytes(call.inputs["base cutout"])
    field = Field.from_bytes(call.inputs["field"])
    made = recolour(Cutout.from_bytes(call.inputs["cutout"]), base, field)
    figures = {"fits": round(made.fits, 4), "used": made.used, "elevation": field.camera.elevation}
    return StageOutput({"cutout.npz": made.cutout.to_bytes(), "field.npz": made.field.to_bytes()}, plain(figures))


def _cutout(call: StageCall) -> Cutout:
    """What the main photo's camera sees: its own cutout, or that in the frame which several photos share."""
    photos = _photos(call)
    return Cutout.from_bytes(call.inputs["cutout"]) if photos is None else photos.main.framed()


def _photos(call: StageCall) -> PhotoSet | None:
    return PhotoSet.from_bytes(call.inputs["photos"]) if "photos" in call.inputs else None


def _shaping(call: StageCall) -> PhotoSet | None:
    photos = _photos(call)
    return None if photos is None else photos.shaping


def _views(call: StageCall, progress: Progress) -> StageOutput:
    from core.zero123 import make_view_set
    from core.zero123.params import ViewsParams

    device = _device(call)
    model = _model(call.models["views"], device)
    params = ViewsParams.model_validate(call.params)
    views = make_view_set(model, _cutout(call), params, call.seed, progress, _shaping(call))
    return StageOutput(
        {"views.npz": views.to_bytes(), "views.png": _png(_sheet(views.images))}, plain(views.info), device
    )


def _reconstruct(call: StageCall, progress: Progress) -> StageOutput:
    from pathlib import Path

    from core.sjc import reconstruct
    from core.sjc.params import ReconstructParams
    from tasks.reconstruct_preview import preview_path, with_preview

    device = _device(call)
    checkpoint = Path(call.checkpoint_path) if call.checkpoint_path else None
    field = reconstruct(
        _model(call.models["views"], device),
        _cutout(call),
        ViewSet.from_bytes(call.inputs["views"]),
        ReconstructParams.model_validate(call.params),
        call.seed,
        checkpoint_path=checkpoint,
        progress=with_preview(progress, checkpoint),
        photos=_shaping(call),
    )
    if checkpoint is not None:
        preview_path(checkpoint).unlink(missing_ok=True)
    if call.ladder:  # whoever holds this field must not take it for what the recipe asks for
        field.info["ladder"] = call.ladder
    return StageOutput({"field.npz": field.to_bytes()}, plain(field.info), device)


def _mesh(call: StageCall, progress: Progress) -> StageOutput:
    from core.mesh import extract_mesh
    from core.mesh.params import MeshParams

    mesh = extract_mesh(
        Field.from_bytes(call.inputs["field"]),
        _cutout(call),
        ViewSet.from_bytes(call.inputs["views"]),
        MeshParams.model_validate(call.params),
        _shaping(call),
    )
    return StageOutput({"mesh.npz": mesh.to_bytes()}, plain(mesh.info))


def _finish(call: StageCall, progress: Progress) -> StageOutput:
    import numpy as np
    from PIL import Image

    from core.mesh import AssetAbout, finish_asset
    from core.mesh.params import FinishParams

    finished = finish_asset(
        Mesh.from_bytes(call.inputs["mesh"]),
        Field.from_bytes(call.inputs["field"]),
        _cutout(call),
        ViewSet.from_bytes(call.inputs["views"]),
        FinishParams.model_validate(call.params),
        AssetAbout(**call.about),
        progress,
        photo=np.asarray(Image.open(io.BytesIO(call.inputs["thumbnail.png"]))),
        photos=_photos(call),
    )
    report = plain(finished.report)
    return StageOutput({**finished.files, "report.json": _json(report)}, report)


def _assess(call: StageCall, progress: Progress) -> StageOutput:
    from core.quality import assess
    from core.quality.params import QualityParams
    from core.reports import FinishReport

    report = FinishReport.model_validate_json(call.inputs["report"])
    assessment = assess(
        _cutout(call),
        ViewSet.from_bytes(call.inputs["views"]),
        call.inputs["glb"],
        report,
        QualityParams.model_validate(call.params),
        _shaping(call),
    )
    figures = {
        "score": float(assessment.score),
        "verdict": str(assessment.verdict),
        "reasons": [plain(reason) for reason in assessment.reasons],
        "metrics": plain(assessment.metrics),
    }
    return StageOutput({"assessment.json": _json(figures)}, figures)


COMPUTED = {
    "preload": _preload,
    "segment": _segment,
    "align": _align,
    "recolour": _recolour,
    "views": _views,
    "reconstruct": _reconstruct,
    "mesh": _mesh,
    "finish": _finish,
    "assess": _assess,
}


@lru_cache(maxsize=2)
def _segmenter(path: str) -> Any:
    from core.segment import load_segmenter

    return load_segmenter(path)


@lru_cache(maxsize=1)
def _model(path: str, device: str) -> Any:
    from core.zero123 import load_model

    return load_model(path, device)


def _device(call: StageCall) -> str:
    if call.device != "auto":
        return call.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _wants_gpu(stage: str) -> bool:
    return stage in STAGE and STAGE[stage].gpu


def _slot(call: StageCall, progress: Progress) -> AbstractContextManager[None]:
    """The GPU for this stage alone, whichever run, user or database of this host it belongs to."""
    if not _wants_gpu(call.stage) or not _device(call).startswith("cuda"):
        return nullcontext()
    import torch

    name = f"gpu-{torch.cuda.get_device_properties(_device(call)).uuid}"
    return slot(name, lambda: progress(WAITING, 0, 1))


def _peak_memory(device: str) -> int | None:
    """Bytes: the GPU's peak since the last stage, else this process's peak so far."""
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None:
        peak = int(torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        return peak
    return peak_memory()


def _png(rgba: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG")
    return buffer.getvalue()


def _thumbnail(rgba: Any) -> Any:
    """The photo as finishing shows it, longer side at most 320: decoding it again may take more than all the rest."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(rgba)
    image.thumbnail((320, 320))
    return np.asarray(image)


def _sheet(images: Any) -> Any:
    """Views ``(N, S, S, 3)`` side by side, four in a row, white where none is left."""
    import numpy as np

    count, size = images.shape[:2]
    columns = max(1, min(4, count))
    rows = max(1, -(-count // columns))  # photos from all sides leave no view to synthesize
    sheet = np.full((rows * size, columns * size, 3), 255, np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        sheet[y * size : (y + 1) * size, x * size : (x + 1) * size] = image
    return sheet


def plain(value: Any) -> Any:
    """JSON values out of numpy's, dataclasses and tuples; what is not finite becomes None."""
    import math
    from dataclasses import asdict, is_dataclass

    import numpy as np
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None else str(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
