"""Segmentation models: rembg's sessions on local ONNX files, by name or path, never over the network."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import CheckpointError

STARTER = Path(__file__).resolve().parents[2] / "models" / "segmenter" / "starter.onnx"
"""The segmenter that ships with the project."""


@dataclass(frozen=True)
class SegmenterEntry:
    """What the licence of a rembg model says; its file is ``<name>.onnx``."""

    licence: str
    commercial: bool


SEGMENTERS = {
    "isnet-general-use": SegmenterEntry("Apache-2.0", True),
    "u2net": SegmenterEntry("Apache-2.0", True),
    "u2netp": SegmenterEntry("Apache-2.0", True),
    "silueta": SegmenterEntry("Apache-2.0", True),
    "birefnet-general": SegmenterEntry("MIT", True),
    "birefnet-general-lite": SegmenterEntry("MIT", True),
    "bria-rmbg": SegmenterEntry("CC-BY-NC-4.0", False),
}
"""Models by rembg's name. Sessions that send photos to a service, or that answer a prompt, are not on it."""

_CUSTOM_SESSIONS = {320: "u2net_custom", 1024: "dis_custom"}
"""rembg's session for an ONNX file, by the side of its square input: the two differ in mean and deviation too."""

_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True)
class Segmenter:
    """A loaded segmentation model."""

    name: str
    sha256: str
    """Of the ONNX file: part of the stage key."""
    licence: str | None
    raw_mask: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    """sRGB ``(H, W, 3)`` to the network's own probabilities ``(h, w)``, before any normalisation."""


def load_segmenter(name_or_path: str | Path = "starter") -> Segmenter:
    """The segmenter of a name (``starter`` or one of :data:`SEGMENTERS`) or of an ONNX file with a 320² or 1024² input.

    Named rembg models must already lie in rembg's folder: nothing is downloaded. Raises :class:`CheckpointError`.
    """
    name = str(name_or_path)
    if name == "starter":
        return _load(name, _existing(STARTER), None, "Apache-2.0")
    if name in SEGMENTERS:
        return _load(name, downloaded_model(name), name, SEGMENTERS[name].licence)
    if name.endswith(".onnx"):
        path = _existing(Path(name))
        return _load(path.stem, path, None, None)
    known = ", ".join(["starter", *SEGMENTERS])
    raise CheckpointError(f"There is no segmentation model '{name}': use one of {known}, or a path to an ONNX file.")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise CheckpointError(f"The segmentation model {path} does not exist.")
    return path.resolve()


def downloaded_model(name: str) -> Path:
    """Where rembg keeps the model, in its present or its former layout."""
    homes = [os.environ.get("U2NET_HOME"), os.environ.get("REMBG_HOME"), "~/.rembg", "~/.u2net"]
    for home in [Path(home).expanduser() for home in homes if home]:
        for path in (home / "models" / name / f"{name}.onnx", home / f"{name}.onnx"):
            if path.is_file():
                return path.resolve()
    raise CheckpointError(
        f"The segmentation model '{name}' is not on this machine: put {name}.onnx into ~/.rembg/models/{name}, or run "
        f"{fetching(name)} where a network is; nothing is downloaded during a run."
    )


def fetching(name: str) -> str:
    """The shell command that brings a model by rembg's name; ``rembg d`` needs packages that we do not install."""
    return f"`python -c \"import rembg; rembg.new_session('{name}')\"`"


def _load(name: str, path: Path, session_name: str | None, licence: str | None) -> Segmenter:
    import onnxruntime as ort

    new_session = _import_rembg()
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = False  # the arena keeps 2.3 GB for an ISNet that needs 0.7
    options.log_severity_level = 3
    # rembg accepts a model only below its home folder, which it reads from the environment at this moment.
    with _ENVIRONMENT, tempfile.TemporaryDirectory(prefix="meshmill-") as home:
        link = Path(home) / f"{session_name or 'model'}.onnx"
        link.symlink_to(path)
        before = os.environ.get("U2NET_HOME")
        os.environ["U2NET_HOME"] = home
        try:
            kind = session_name or _custom_session(path)
            session = new_session(kind, sess_opts=options, providers=["CPUExecutionProvider"], model_path=str(link))
        except CheckpointError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no documented base
            raise CheckpointError(f"The segmentation model {path.name} cannot be loaded: {error}.") from error
        finally:
            _restore("U2NET_HOME", before)
    return Segmenter(name, _sha256(path), licence, _raw_predictor(session))


def _import_rembg() -> Callable[..., Any]:
    """rembg's ``new_session``, without compiling what rembg imports and we never call.

    rembg imports PyMatting, whose numba functions compile on the first import of a fresh installation: 80 CPU
    seconds. The switch is read when numba is first imported, so code that imported numba earlier is not affected.
    """
    with _ENVIRONMENT:
        before = os.environ.get("NUMBA_DISABLE_JIT")
        os.environ["NUMBA_DISABLE_JIT"] = "1"
        try:
            from rembg import new_session
        finally:
            _restore("NUMBA_DISABLE_JIT", before)
    return new_session  # type: ignore[no-any-return]


def _restore(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value


def _custom_session(path: Path) -> str:
    """Which of rembg's two custom sessions fits the file; looks at the graph's input, loads no weights twice."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initial]
    sides = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim[2:]] if inputs else []
    if len(sides) == 2 and sides[0] == sides[1] and sides[0] in _CUSTOM_SESSIONS:
        return _CUSTOM_SESSIONS[sides[0]]
    raise CheckpointError(
        f"The segmentation model {path.name} takes {sides or 'no image'} as input; 320x320 and 1024x1024 are supported."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _raw_predictor(session: Any) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """rembg's own preprocessing and network, but the network's values instead of rembg's stretched mask.

    rembg stretches every mask to 0..255, so on a blank photo it returns amplified noise; the raw values tell.
    """
    from PIL import Image

    recorder = _Recorder(session.inner_session)
    session.inner_session = recorder
    lock = threading.Lock()

    def raw_mask(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        with lock, np.errstate(all="ignore"):  # the stretching that we discard divides by zero on blank photos
            session.predict(Image.fromarray(rgb))
            values: NDArray[np.float32] = np.asarray(recorder.outputs[0], np.float32)[0, 0]
        if values.min() < 0 or values.max() > 1:  # BiRefNet's graphs end in logits
            values = (1 / (1 + np.exp(-np.clip(values, -60, 60)))).astype(np.float32)
        return values

    return raw_mask


class _Recorder:
    """Stands before the onnxruntime session that rembg holds and keeps the last outputs."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.outputs: Any = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.outputs = self._inner.run(*args, **kwargs)
        return self.outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
