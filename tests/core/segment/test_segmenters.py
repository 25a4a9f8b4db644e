"""Loading segmenters: local files only, rembg's sessions, honest errors, the environment left as found."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CheckpointError
from core.segment import SEGMENTERS, load_segmenter


def tiny_model(path: Path, side: int, channels: int = 3) -> Path:
    """An ONNX network that answers the sigmoid of the mean of its input's channels."""
    from onnx import TensorProto, checker, helper, save

    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["photo"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Sigmoid", ["mean"], ["mask"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, channels, side, side])],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, side, side])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a segmenter opened a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("side", "mean", "deviation"),
    [(320, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), (1024, (0.5, 0.5, 0.5), (1, 1, 1))],
)
def test_a_path_runs_through_the_session_that_fits_its_input(
    tmp_path: Path, offline: None, side: int, mean: tuple[float, ...], deviation: tuple[float, ...]
) -> None:
    """The raw values are the network's own: on a uniform photo they equal the closed form, unstretched."""
    segmenter = load_segmenter(tiny_model(tmp_path / "tiny.onnx", side))
    raw = segmenter.raw_mask(np.full((50, 70, 3), (255, 102, 51), np.uint8))
    expected = 1 / (1 + np.exp(-np.mean((np.array([1, 0.4, 0.2]) - mean) / deviation)))
    assert raw.shape == (side, side)
    assert np.abs(raw - expected).max() < 1e-4
    assert segmenter.name == "tiny"
    assert len(segmenter.sha256) == 64


def test_loading_leaves_the_environment_and_the_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    model = tiny_model(tmp_path / "tiny.onnx", 320)
    for before in (None, "/somewhere"):
        if before is None:
            monkeypatch.delenv("U2NET_HOME", raising=False)
        else:
            monkeypatch.setenv("U2NET_HOME", before)
        load_segmenter(model)
        assert os.environ.get("U2NET_HOME") == before
        assert "NUMBA_DISABLE_JIT" not in os.environ
    assert list(tmp_path.iterdir()) == [model]


def test_a_named_model_loads_from_rembgs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setenv("MODEL_CHECKSUM_DISABLED", "1")
    with pytest.raises(CheckpointError, match=r"u2netp\.onnx"):
        load_segmenter("u2netp")
    (tmp_path / "models" / "u2netp").mkdir(parents=True)
    tiny_model(tmp_path / "models" / "u2netp" / "u2netp.onnx", 320)
    assert load_segmenter("u2netp").licence == "Apache-2.0"


@pytest.mark.parametrize("name", ["withoutbg", "atlascloud", "sam", "u2net_cloth_seg", "../u2net", "nonsense"])
def test_other_names_are_refused(name: str, offline: None) -> None:
    with pytest.raises(CheckpointError, match="no segmentation model"):
        load_segmenter(name)


def test_non_commercial_models_are_marked() -> None:
    assert not SEGMENTERS["bria-rmbg"].commercial
    assert SEGMENTERS["isnet-general-use"].commercial


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not protobuf at all")
    with pytest.raises(CheckpointError):
        load_segmenter(junk)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_segmenter(tmp_path / "missing.onnx")
    with pytest.raises(CheckpointError, match="320x320 and 1024x1024"):
        load_segmenter(tiny_model(tmp_path / "odd.onnx", 500))


@pytest.mark.shared
def test_the_full_size_isnet_runs_through_dis_custom(shared_dir: Path) -> None:
    from PIL import Image

    folder = shared_dir / "eval-dev" / "ycb_mug"
    segmenter = load_segmenter(shared_dir / "weights" / "isnet-general-use-fp16.onnx")
    raw = segmenter.raw_mask(np.asarray(Image.open(folder / "photo_white.png").convert("RGB")))
    truth = np.asarray(Image.open(folder / "photo_rgba.png").resize((1024, 1024)))[..., 3] > 127
    found = raw > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.97
    assert segmenter.raw_mask(np.full((512, 512, 3), 255, np.uint8)).max() < 0.5
