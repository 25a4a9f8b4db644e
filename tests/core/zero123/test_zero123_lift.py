"""The lift: its geometry against closed forms, its place in a checkpoint, and training that survives a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_shards import DATA, make_shards
from zero123_helpers import tiny_config

from core.cameras import Camera, project
from core.zero123.lift import (
    HALF_DEPTH,
    LIFTED_CHANNELS,
    TAN,
    Volume,
    camera_axes,
    lift,
    lift_config,
    lift_net,
    lifted_views,
    pixel_grid,
    render_view,
    to_frustum,
)

TINY = lift_config(16, (16, 32), depth=8, groups=8)


def lifted_config() -> Any:
    """The tiny model with a lift: 32 px images, 8 x 8 latents."""
    from core.zero123.model import unet_config

    unet = unet_config(
        latent_size=8, latent_channels=4, widths=(32, 64), attention=(1, 0), context=48, heads=4, lifted=LIFTED_CHANNELS
    )
    return replace(tiny_config(unet=unet), lift=lift_config(32, (16, 32), depth=8, groups=8))


def test_frustum_coordinates_are_the_photo_cameras_pixels() -> None:
    points = np.random.default_rng(0).uniform(-0.3, 0.3, (50, 3))
    camera = Camera(0.0, 35.0, 1.0)
    found = to_frustum(torch.from_numpy(points).float()[None], torch.tensor([35.0]))[0].numpy()
    pixels = project(points, camera, 64)
    np.testing.assert_allclose((found[:, 0] + 1) * 32 - 0.5, pixels[:, 0], atol=1e-3)
    np.testing.assert_allclose((found[:, 1] + 1) * 32 - 0.5, pixels[:, 1], atol=1e-3)
    np.testing.assert_allclose(1 + found[:, 2] * HALF_DEPTH, pixels[:, 2], atol=1e-5)


def test_camera_axes_are_the_cameras() -> None:
    expected = Camera(123.0, -17.0).camera_to_world()[:3, :3]
    found = camera_axes(torch.tensor([123.0]), torch.tensor([-17.0]))[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def ball(elevation: float, radius: float = 0.25, size: int = 64) -> Volume:
    """A green ball around the origin, as a lift would say it."""
    cells = size // 2
    axis = (torch.arange(cells) + 0.5) / cells * 2 - 1
    depth, v, u = torch.meshgrid(axis, axis, axis, indexing="ij")
    away = 1 + depth * HALF_DEPTH
    distance = torch.stack([u * away * TAN, v * away * TAN, depth * HALF_DEPTH]).norm(dim=0)
    density = ((radius - distance) * 400).clamp(-10, 10)
    colour = torch.tensor([-8.0, 8.0, -8.0, -8.0]).view(4, 1, 1, 1).expand(4, cells // 2, cells // 2, cells // 2)
    return Volume(density[None, None], colour[None], torch.zeros(1, 3, size, size), torch.tensor([elevation]))


@pytest.mark.parametrize("camera", [(0.0, 20.0, 1.0), (140.0, -15.0, 1.0), (-75.0, 60.0, 1.2)])
def test_a_ball_is_a_disc_from_everywhere(camera: tuple[float, float, float]) -> None:
    """Its silhouette subtends ``asin(r / d)``: on the image plane a disc of radius ``tan(asin(r / d))``."""
    uv = pixel_grid(64, torch.device("cpu"))
    cameras = torch.tensor(camera).expand(1, len(uv), 3)
    colour, coverage = render_view(ball(20.0), uv[None], cameras, 64, torch.full((1, len(uv)), 0.5))
    truth = uv.norm(dim=-1) * TAN < np.tan(np.arcsin(0.25 / camera[2]))
    seen = coverage[0] > 0.5
    assert float((seen & truth).sum() / (seen | truth).sum()) > 0.94
    inside = coverage[0] > 0.99
    assert torch.allclose(colour[0, inside], torch.tensor([0.0, 1.0, 0.0]).expand(int(inside.sum()), 3), atol=0.02)
    assert torch.allclose(colour[0, uv.norm(dim=-1) > 0.9], torch.ones(3), atol=1e-2)


def test_a_view_does_not_depend_on_its_company() -> None:
    net = lift_net(TINY).eval()
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    cameras = torch.tensor([[[0.0, 10.0, 1.0], [90.0, 30.0, 1.1]]]).repeat(2, 1, 1)
    with torch.no_grad():
        together = lifted_views(lift(net, images, torch.tensor([10.0, 40.0])), cameras, 8)
        alone = lifted_views(lift(net, images[1:], torch.tensor([40.0])), cameras[1:, 1:], 8)
    assert together.shape == (4, LIFTED_CHANNELS, 4, 4)
    assert float((together[3:] - alone).abs().max()) < 1e-5


def test_a_checkpoint_with_a_lift_comes_back_and_its_views_follow_the_lift(tmp_path: Path) -> None:
    from core.artifacts import Cutout
    from core.errors import CheckpointError
    from core.zero123 import build_model, load_model, novel_views, save_pretrained
    from core.zero123.inspection import verify_checkpoint
    from core.zero123.ldm import to_original
    from core.zero123.params import ViewsParams

    model = build_model(lifted_config(), seed=4)
    folder = save_pretrained(model, tmp_path / "lifted")
    one, again = load_model(folder), load_model(folder)
    assert verify_checkpoint(folder).parameters["lift"] == sum(p.numel() for p in model.lift.parameters())
    rgba = np.random.default_rng(3).integers(0, 256, (32, 32, 4), np.uint8)
    cutout = Cutout(rgba, (0.0, 0.0, 32.0, 32.0), "alpha")
    params = ViewsParams(steps=2, batch=3)
    cameras = [(90.0, 10.0, 2.0), (200.0, 10.0, 2.0)]
    first = novel_views(one, cutout, 10.0, cameras, params=params)
    assert np.array_equal(first, novel_views(again, cutout, 10.0, cameras, params=params))
    with torch.no_grad():
        again.lift.conv_out.bias.add_(3.0)
    assert not np.array_equal(first, novel_views(again, cutout, 10.0, cameras, params=params))
    with pytest.raises(CheckpointError, match="has a lift"):
        to_original(model)


def test_points_outside_a_silhouette_are_outside_the_hull(tmp_path: Path) -> None:
    """Views of a ball: the hull holds its centre and nothing far from it."""
    from training.lift import LiftBatch, hull

    uv = pixel_grid(32, torch.device("cpu")).norm(dim=-1).view(32, 32) * TAN
    disc = (uv < np.tan(np.arcsin(0.25))).float().expand(1, 5, 32, 32)
    cameras = torch.stack([torch.tensor([a, e, 1.0]) for a, e in ((0, 20), (90, 0), (180, 40), (250, -10), (40, 70))])
    nothing = torch.zeros(1, dtype=torch.long)
    batch = LiftBatch(
        image=torch.ones(1, 3, 32, 32),
        zoom=torch.ones(1),
        views=torch.ones(1, 1, 32, 32, 3),
        coverage=disc,
        cameras=cameras[None],
        condition=nothing,
        targets=nothing[None],
    )
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.75], [0.45, 0.45, 0.0], [0.7, 0.0, 0.0]]])
    found = hull(batch, points, torch.tensor([20.0]))[0]
    assert found[0] == 1
    assert float(found[1:].max()) < 0.01


@pytest.mark.parametrize("reframed", [0.0, 1.0])
def test_matter_lies_inside_the_hull_and_leaves_its_hollows_empty(tmp_path: Path, reframed: float) -> None:
    """Mirrored, zoomed or framed anew: exact matter and the silhouettes speak of the same place."""
    from training.dataset import build_cache, open_shards
    from training.lift import LiftTrainConfig, draw_lift_batch, hull, true_occupancy
    from training.rendering import DataConfig

    data = DataConfig(objects_per_shard=16, size=32, render_size=48)
    build_cache(tmp_path, range(16), data)
    batch = draw_lift_batch(open_shards(tmp_path), data, LiftTrainConfig(batch=24, reframe_share=reframed), step=1)
    assert batch.placed is not None
    assert batch.placed.mirrored.any()
    assert not batch.placed.mirrored.all()
    points = torch.rand(24, 4000, 3, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    elevation = batch.cameras[torch.arange(24), batch.condition, 1]
    outer, inner = hull(batch, points, elevation) > 0.3, true_occupancy(batch, points, elevation) > 0.5
    inside = (outer & inner).sum(1) / inner.sum(1).clamp(min=1)
    assert float(inside.median()) > 0.93
    assert float(inner.sum() / outer.sum()) < 0.95
    turned = replace(batch.placed, mirrored=~batch.placed.mirrored)
    wrong = true_occupancy(replace(batch, placed=turned), points, elevation) > 0.5
    assert float((outer & wrong).sum() / wrong.sum()) < float((outer & inner).sum() / inner.sum())


def test_lift_training_resumes_exactly(tmp_path: Path) -> None:
    from training.dataset import open_shards
    from training.lift import LiftTrainConfig, train_lift

    shards = open_shards(make_shards(tmp_path / "shards"))
    config = LiftTrainConfig(batch=4, targets=2, rays=16, points=32, samples=8, warmup=2, steps=6, checkpoint_seconds=0)

    def fresh() -> Any:
        torch.manual_seed(0)
        return lift_net(TINY)

    whole, broken = fresh(), fresh()
    train_lift(whole, shards, DATA, tmp_path / "a", config)

    class Killed(Exception):
        pass

    def stop(found: Any) -> None:
        if found.step == 3:
            raise Killed

    with pytest.raises(Killed):
        train_lift(broken, shards, DATA, tmp_path / "b", config, at_checkpoint=stop)
    resumed = fresh()
    train_lift(resumed, shards, DATA, tmp_path / "b", config)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_lift_learns_that_a_ball_is_a_ball(tmp_path: Path) -> None:
    """From discs of one colour alone: a fifth less loss after 40 steps."""
    from training.dataset import open_shards, write_shard
    from training.lift import LiftTrainConfig, train_lift
    from training.rendering import CameraBatch, Rendered

    rng = np.random.default_rng(2)
    angles = [rng.uniform(low, high, (6, 4)).astype(np.float32) for low, high in ((0, 360), (-20, 80))]
    shot = CameraBatch(*angles, np.full((6, 4), 2.0, np.float32), framed=np.zeros(6, bool))
    disc = (pixel_grid(16, torch.device("cpu")).norm(dim=-1).view(16, 16) < 0.6).numpy()
    pictures = np.zeros((6, 5, 16, 16, 4), np.uint8)
    pictures[..., disc, :] = (30, 160, 60, 255)
    write_shard(tmp_path / "shards" / "shard-0000", Rendered(pictures, shot), DATA)
    config = LiftTrainConfig(batch=4, targets=2, rays=32, points=64, samples=16, warmup=2, steps=40, learning_rate=1e-2)
    torch.manual_seed(0)
    state = train_lift(lift_net(TINY), open_shards(tmp_path / "shards"), DATA, tmp_path, config)
    losses = [loss for _, loss in state.history]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_muon_makes_updates_orthogonal_and_finds_a_minimum() -> None:
    from training.muon import Muon, orthogonal

    generator = torch.Generator().manual_seed(0)
    for shape in ((12, 40), (40, 12), (1, 30)):
        spread = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=generator)))
        assert 0.6 < float(spread.min()) <= float(spread.max()) < 1.3
    weight = torch.nn.Parameter(torch.randn(6, 3, 3, 3, generator=generator))
    goal = torch.randn(weight.shape, generator=generator)
    optimizer = Muon([weight], 0.1, weight_decay=0.0)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        optimizer.zero_grad()
        (weight - goal).square().sum().backward()
        optimizer.step()
    assert float((weight - goal).detach().abs().max()) < 0.02


def test_with_a_lift_an_unknown_elevation_is_assumed_not_estimated() -> None:
    """Its views agree on whatever elevation it was told, so that asking them would only return the assumption."""
    from core.artifacts import Cutout
    from core.zero123 import build_model
    from core.zero123.params import ViewsParams
    from core.zero123.views import photo_elevation

    cutout = Cutout(np.zeros((32, 32, 4), np.uint8), (0.0, 0.0, 32.0, 32.0), "alpha")
    model = build_model(lifted_config())
    degrees, found = photo_elevation(model, cutout, ViewsParams(elevation_prior=15.0), seed=0)
    assert (degrees, found.source) == (15.0, "assumed")
    assert found.confidence < 0.35
    assert photo_elevation(model, cutout, ViewsParams(elevation=33.0), seed=0)[0] == 33.0


def test_a_deepened_lift_sees_the_same_volumes_and_can_learn_more() -> None:
    from core.zero123.lift import deepened, lift_config, lift_net

    torch.manual_seed(0)
    net = lift_net(lift_config(32, (32, 64)))
    new = deepened(net)
    image, elevation = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([5.0, 40.0])
    for a, b in ((net, new), (net, deepened(new))):
        before, after = lift(a, image, elevation), lift(b, image, elevation)
        assert torch.allclose(before.density, after.density, atol=1e-5)
        assert torch.allclose(before.colour, after.colour, atol=1e-5)
    assert sum(p.numel() for p in new.parameters()) > 1.3 * sum(p.numel() for p in net.parameters())
    lift(new, image, elevation).density.square().mean().backward()
    last_layers = [
        p for name, p in new.named_parameters() if name not in dict(net.named_parameters()) and "conv2.w" in name
    ]
    assert len(last_layers) == 4
    assert all(float(p.grad.abs().max()) > 0 for p in last_layers)


def test_objects_in_memory_train_as_those_in_files_do(tmp_path: Path) -> None:
    """A GPU's shard, drafted elsewhere: the same batches, for the lift and for the U-Net's pairs."""
    from training.dataset import ShardInMemory, build_cache, draw_pairs, open_shards, pick, shard_of
    from training.lift import LiftTrainConfig, draw_lift_batch
    from training.procedural import draft_objects
    from training.rendering import DataConfig, procedural_shard

    data = DataConfig(objects_per_shard=4, size=16, render_size=24, views=3)
    build_cache(tmp_path, range(8), data)
    files = open_shards(tmp_path)
    store = ShardInMemory(7, "cpu")
    for seeds in (range(4), range(4, 8)):
        store.add(shard_of(procedural_shard(seeds, data, drafts=draft_objects(seeds))))
    assert store.count == len(store.shard().images) == 7, "the last one finds no room"
    assert len(store.shard(3).cameras) == 3
    store = ShardInMemory(8, "cpu")
    for part in files:
        store.add(part)
    config = LiftTrainConfig(batch=6, targets=2)
    ours, theirs = (vars(draw_lift_batch(shards, data, config, step=3)) for shards in ([store.shard()], files))
    for name in ("image", "views", "coverage", "cameras", "solid"):
        assert torch.equal(ours[name], theirs[name]), name
    both = ([store.shard()], files)
    pairs = [draw_pairs(shards, 6, data, np.random.default_rng(0), 2) for shards in both]
    a, b = (pick(s, p, "images", p.target) for s, p in zip(both, pairs, strict=True))
    assert torch.equal(a, b)
