"""Training of the starter segmenter: its data, its loss, its export, its resumption."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.segmenter.composites import KINDS, compose
from training.segmenter.products import flat_product
from training.segmenter.recolor import vary
from training.segmenter.textures import make_texture


@pytest.fixture(scope="module")
def stock() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    textures = [make_texture(rng, 96) for _ in range(8)]
    return [flat_product(rng, texture, 96) for texture in textures], textures


def test_same_seed_same_photo(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    products, textures = stock
    first, second = (compose(np.random.default_rng(7), products, textures, 96) for _ in range(2))
    assert (first.rgb == second.rgb).all()
    assert (first.alpha == second.alpha).all()
    assert (compose(np.random.default_rng(8), products, textures, 96).rgb != first.rgb).any()


@pytest.mark.parametrize("kind", KINDS)
def test_masks_say_what_is_in_the_photo(stock: tuple[list[np.ndarray], list[np.ndarray]], kind: str) -> None:
    from scipy.ndimage import label

    products, textures = stock
    for seed in range(6):
        sample = compose(np.random.default_rng(seed), products, textures, 128, kind)
        assert sample.rgb.shape == (128, 128, 3)
        assert sample.rgb.dtype == np.uint8
        assert sample.alpha.shape == (128, 128)
        assert 0 <= sample.alpha.min() <= sample.alpha.max() <= 1
        if kind == "nothing":
            assert sample.alpha.max() == 0
        elif kind == "several":
            assert label(sample.alpha > 0.5)[1] >= 2
        else:
            assert 0.005 < (sample.alpha > 0.5).mean() < 0.98


def test_recolouring_keeps_the_shape(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    product, ground = stock[0][0], np.array([0.6, 0.4, 0.3], np.float32)
    for seed in range(12):
        alpha = vary(np.random.default_rng(seed), product, ground)[..., 3]
        assert (alpha == product[..., 3]).all() or (alpha == product[:, ::-1, 3]).all()


def test_some_products_take_on_the_colour_of_their_ground(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    product, ground = stock[0][0], np.array([0.1, 0.7, 0.2], np.float32)
    inside = product[..., 3] > 127
    like = 0
    for seed in range(60):
        varied = vary(np.random.default_rng(seed), product, ground, pale=0.0)
        mean = varied[varied[..., 3] > 127, :3].mean(0) / 255
        like += bool(mean[1] > 1.8 * mean[0] and mean[1] > 1.8 * mean[2])
    own = product[inside, :3].mean(0)
    assert own.max() < 1.5 * own.min(), "the product itself must not be green"
    assert 3 <= like <= 30


def test_a_product_darkens_the_floor_and_not_what_is_far_above_it() -> None:
    from training.segmenter.composites import _shadow

    cover = np.zeros((128, 128), np.float32)
    cover[60:100, 45:85] = 1
    image, color = np.full((128, 128, 3), 0.8, np.float32), np.full((128, 128, 3), 0.5, np.float32)
    shaded = np.mean([_shadow(np.random.default_rng(seed), image, color, cover) for seed in range(30)], 0)
    assert shaded[100:104, 50:80].mean() < 0.72
    assert shaded[:20].mean() > 0.79


def test_what_a_step_draws_from_follows_from_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.segmenter import stock as module

    def render(seeds: list[int], views: int, size: int, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        pictures = rng.integers(0, 255, (len(seeds) * views, 32, 32, 4)).astype(np.uint8)
        pictures[:, 8:24, 8:24, 3] = 255
        return list(pictures)

    monkeypatch.setattr(module, "render_products", render)
    once = module.Stock(tmp_path, 4)
    once.grow(0, 1)
    assert len(once.products) == module.OBJECTS * module.VIEWS + module.FLATS + module.WIRES
    monkeypatch.setattr(module, "MANY", 2)  # the oldest lot goes when the third comes
    once.grow(2 * module.STEPS, 1)
    assert len(once.textures) == 2 * module.TEXTURES
    assert once.batches == 3
    monkeypatch.delattr(module, "render_products")  # the lots lie on disk now
    again = module.Stock(tmp_path, 4)
    again.grow(2 * module.STEPS, 1)
    for first, second in ((once.products, again.products), (once.textures, again.textures)):
        assert len(first) == len(second)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_photos_are_normalised_as_rembg_does(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    from PIL import Image
    from rembg.sessions.u2net_custom import U2netCustomSession

    from training.segmenter.train import batch

    class Session(U2netCustomSession):
        def __init__(self) -> None:
            self.inner_session = self

        def get_inputs(self) -> list[object]:
            return [type("Input", (), {"name": "photo"})()]

    sample = compose(np.random.default_rng(3), *stock, 320)
    theirs = Session().normalize(Image.fromarray(sample.rgb), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (320, 320))[
        "photo"
    ]
    assert np.abs(batch([sample])[0].numpy() - theirs).max() < 1e-5


def test_loss_has_its_closed_form() -> None:
    import torch

    from training.segmenter.train import mask_loss

    empty = torch.zeros(1, 1, 16, 16)
    assert mask_loss(torch.zeros(1, 1, 16, 16), empty).item() == pytest.approx(math.log(2))
    full = torch.ones(1, 1, 16, 16)  # no outline; soft IoU of one half everywhere is one half
    assert mask_loss(torch.zeros(1, 1, 16, 16), full).item() == pytest.approx(math.log(2) + 0.5, abs=1e-4)
    assert mask_loss(20 * (full * 2 - 1), full).item() == pytest.approx(0, abs=1e-4)


def test_a_soft_outline_costs_more_than_a_steep_one() -> None:
    import torch

    from training.segmenter.train import EDGES, mask_loss

    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 8:] = 1
    steep, soft = torch.full((1, 1, 16, 16), -20.0), torch.full((1, 1, 16, 16), -20.0)
    steep[..., 8:] = soft[..., 8:] = 20.0
    soft[..., 7:9] = 0.0
    assert mask_loss(steep, truth).item() == pytest.approx(0, abs=1e-4)
    # By hand: outline pixels within 3 of the step weigh 4, and 32 of 256 pixels are undecided.
    both, either = 16 * 7.5, 16 * 8.5  # the undecided column outside counts one half to the union
    entropy, overlap = 4 * 32 * math.log(2) / 256, 1 - both / either
    slopes = 16 * (0.5 + 1.0 + 0.5) / (16 + 1.6)
    assert mask_loss(soft, truth).item() == pytest.approx(entropy + overlap + EDGES * slopes, abs=1e-3)


def test_learning_rate_warms_up_and_falls() -> None:
    from training.segmenter.train import learning_rate

    assert learning_rate(0, 0.0) == pytest.approx(1 / 100)
    assert learning_rate(1000, 0.0) == learning_rate(1000, 0.5) == pytest.approx(1)
    assert learning_rate(1000, 0.8) == pytest.approx(0.505)
    assert learning_rate(1000, 1.0) == pytest.approx(1 / 100)


def test_the_exported_file_computes_what_the_network_does(tmp_path: Path) -> None:
    import torch
    from torch.nn import functional as F

    from core.segment import load_segmenter
    from training.segmenter.network import DEVIATION, MEAN, SIDE, build_network, export_onnx

    torch.manual_seed(0)
    network = build_network().eval()
    path = tmp_path / "network.onnx"
    path.write_bytes(export_onnx(network, 64, half=False))
    rgb = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    rgb[0, 0] = 255
    photo = torch.tensor((rgb / 255 - MEAN) / DEVIATION, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        small = F.interpolate(photo, size=(64, 64), mode="bilinear")
        expected = torch.sigmoid(F.interpolate(network(small), size=(SIDE, SIDE), mode="bilinear"))[0, 0].numpy()
    assert np.abs(load_segmenter(path).raw_mask(rgb) - expected).max() < 1e-4
    half = tmp_path / "half.onnx"
    half.write_bytes(export_onnx(network, 64))
    assert half.stat().st_size < 0.6 * path.stat().st_size
    assert np.abs(load_segmenter(half).raw_mask(rgb) - expected).max() < 0.02


def test_an_exported_file_is_a_start(stock: tuple[list[np.ndarray], list[np.ndarray]], tmp_path: Path) -> None:
    """The reloaded network computes what the exported one does, and goes on doing so in training mode."""
    import torch

    from training.segmenter.exported_weights import load_exported
    from training.segmenter.network import Layout, build_network, export_onnx
    from training.segmenter.train import batch

    photos = batch([compose(np.random.default_rng(i), *stock, 64) for i in range(8)])[0]
    torch.manual_seed(0)
    first = build_network().train()
    with torch.no_grad():
        for parameter in first.parameters():  # the exporter shares what is equal, as zeros are before any training
            parameter.add_(0.02 * torch.randn_like(parameter))
        for norm in first.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = 1.0  # running statistics become those of the photos
        first(photos)
        expected = first.eval()(photos)
    path = tmp_path / "network.onnx"
    path.write_bytes(export_onnx(first, 64, half=False))
    torch.manual_seed(1)
    second = build_network()
    load_exported(second, path, photos)
    with torch.no_grad():
        assert (second.eval()(photos) - expected).abs().max() < 1e-3 * expected.abs().max()
        assert (second.train()(photos)[0] - expected).abs().mean() < 0.1 * expected.std()
    with pytest.raises(ValueError, match="fits this network"):
        load_exported(build_network(Layout(8)), path, photos)


def test_the_shipped_weights_are_a_start(stock: tuple[list[np.ndarray], list[np.ndarray]], tmp_path: Path) -> None:
    """Whoever trains on begins with exactly what is shipped, in its own layout and at its own side."""
    from core.errors import InputError
    from core.segment.segmenters import STARTER, load_segmenter
    from training.segmenter.network import SHIPPED, build_network, export_onnx
    from training.segmenter.train import batch, begun_with

    photos = batch([compose(np.random.default_rng(i), *stock, 64) for i in range(4)])[0]
    network, layout = begun_with(STARTER, photos)
    assert layout == SHIPPED
    path = tmp_path / "again.onnx"
    path.write_bytes(export_onnx(network.eval(), layout.side))
    rgb = compose(np.random.default_rng(7), *stock, 320, "studio").rgb
    shipped = load_segmenter("starter").raw_mask(rgb)
    assert np.abs(load_segmenter(path).raw_mask(rgb) - shipped).max() < 0.02
    assert shipped.max() > 0.5
    other = tmp_path / "other.onnx"
    other.write_bytes(export_onnx(build_network(replace(SHIPPED, width=8)).eval(), 64))
    with pytest.raises(InputError, match="is not an export"):
        begun_with(other, photos)


def test_wire_products_enclose_ground() -> None:
    from scipy.ndimage import label

    from training.segmenter.products import wire_product

    rng = np.random.default_rng(1)
    texture = make_texture(rng, 96)
    holes, covers = 0, []
    for _ in range(30):
        solid = wire_product(rng, texture, 128)[..., 3] > 127
        holes += label(~np.pad(solid, 1))[1] > 1
        covers.append(solid.mean())
    assert holes >= 12
    assert np.median(covers) < 0.25


def test_joined_products_are_one_piece(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    from scipy.ndimage import label

    from training.segmenter.recolor import joined

    square = np.full((40, 40, 4), 255, np.uint8)
    for seed in range(10):
        both = joined(np.random.default_rng(seed), square, square[:20])[..., 3] > 127
        assert label(both)[1] == 1
        assert both.sum() >= 1500


def test_shadows_of_things_out_of_sight_are_no_product(stock: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    from training.segmenter import scenes

    plain = np.full((96, 96, 3), 0.6, np.float32)
    lit = [scenes.light_and_shade(np.random.default_rng(seed), plain) for seed in range(8)]
    assert sum(float(np.abs(image - plain).max()) > 0.05 for image in lit) >= 6
    assert all(image.shape == plain.shape and image.min() >= 0 and image.max() <= 1 for image in lit)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    from training.segmenter.train import train_segmenter

    train_segmenter(tmp_path, 0.1, seed=3, first_lots=1)
    before = json.loads((tmp_path / "metrics.json").read_text())
    # A step of a starved machine may outlast the whole budget: the second one begins where the first one ended.
    path = train_segmenter(tmp_path, before["seconds"] / 60 + 0.1, seed=3, first_lots=1)
    after = json.loads((tmp_path / "metrics.json").read_text())
    assert after["steps"] > before["steps"] > 0
    assert after["seconds"] > before["seconds"]
    assert set(after["held_out"]) == set(KINDS)
    assert path.stat().st_size < 6_000_000
