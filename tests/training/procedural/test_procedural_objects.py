"""Seeds to objects: the same everywhere, unit sized, closed, and not too round."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from training.procedural import FAMILIES, Cameras, build_grid, generate_objects, render, signed_distance, to_mesh
from training.procedural import table as tb
from training.procedural.generate import normalize
from training.procedural.palette import Finish
from training.procedural.parts import box, cut, cylinder, ellipsoid, rod, turned
from training.procedural.table import ObjectTable, Row, build_table

GREY = Finish(((0.5, 0.5, 0.5),))


def solid(*rows: Row) -> ObjectTable:
    """A table of one object, not normalised."""
    return build_table([0], ["test"], [rows])


def digest() -> str:
    """Table, pixels and depth of three seeds, hashed."""
    table = generate_objects([3, 14, 15])
    angles = torch.tensor([[20.0, 200.0]]).repeat(3, 1)
    views = render(table, Cameras(angles, angles / 10, torch.full((3, 2), 1.8)), 24, supersample=2)
    parts = [table.place, table.size, table.colors, table.center, table.scale, views.rgb, views.alpha, views.depth]
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()


def test_the_same_seed_gives_the_same_object_and_pixels_in_two_processes() -> None:
    code = (
        "import sys, torch; torch.set_num_threads(1); sys.path.insert(0, sys.argv[1]);"
        "from test_procedural_objects import digest; print(digest())"
    )
    folder = __file__.rsplit("/", 1)[0]
    other = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=folder + "/../../.."
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert other.stdout.strip() == digest()
    finally:
        torch.set_num_threads(threads)


def test_seeds_differ() -> None:
    table = generate_objects(range(6))
    assert len({table.colors[i].numpy().tobytes() for i in range(6)}) == 6


def test_an_object_is_the_same_alone_and_in_a_batch() -> None:
    batch = generate_objects([7, 8, 9])
    alone = generate_objects([8])
    points = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    assert batch.names[1] == alone.names[0]
    torch.testing.assert_close(batch.scale[1:2], alone.scale, rtol=0, atol=0)
    torch.testing.assert_close(signed_distance(batch, points)[1], signed_distance(alone, points)[0], rtol=0, atol=0)


def test_a_grid_is_the_same_alone_and_among_more_objects_than_are_refined_together() -> None:
    table = generate_objects(range(36))
    values = build_grid(table, 24).values
    for number in (0, 17, 35):
        assert torch.equal(values[number], build_grid(table.pick(number, number + 1), 24).values[0])


@pytest.mark.parametrize(
    ("rows", "point", "expected"),
    [
        ([box(GREY, (0, 0, 0), (0.3, 0.2, 0.1))], (0.5, 0.0, 0.0), 0.2),
        ([box(GREY, (0, 0, 0), (0.3, 0.2, 0.1))], (0.6, 0.6, 0.1), 0.5),
        ([box(GREY, (0, 0, 0), (0.3, 0.2, 0.1))], (0.0, 0.0, 0.0), -0.1),
        ([cylinder(GREY, (0, 0, 0), 0.2, 0.4)], (0.3, 0.0, 0.4), 0.3),
        ([ellipsoid(GREY, (0.1, 0, 0), (0.2, 0.2, 0.2))], (0.1, 0.5, 0.0), 0.3),
        ([rod(GREY, (0, 0, 0), (1, 0, 0), 0.1)], (0.5, 0.4, 0.3), 0.4),
        ([box(GREY, (0, 0, 0), (0.3, 0.1, 0.1), turn=turned(0, 0, 90))], (0.0, 0.5, 0.0), 0.2),
        ([box(GREY, (0, 0, 0), (0.3, 0.1, 0.1), turn=turned(0, 90, 0))], (0.0, 0.0, -0.5), 0.2),
        ([ellipsoid(GREY, (0.5, 0, 0.5), (0.1, 0.1, 0.1), mirror=(True, True))], (-0.5, 0.0, -0.8), 0.2),
        ([box(GREY, (0, 0, 0), (0.5, 0.5, 0.5)), cut(box(GREY, (0, 0, 0), (0.2, 0.9, 0.2)))], (0, 0.1, 0), 0.2),
    ],
)
def test_distances_are_those_of_the_closed_forms(
    rows: list[Row], point: tuple[float, float, float], expected: float
) -> None:
    found = signed_distance(solid(*rows), torch.tensor([point], dtype=torch.float32))
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_paint_rows_do_not_change_the_shape() -> None:
    plain = solid(box(GREY, (0, 0, 0), (0.3, 0.3, 0.3)))
    stamp = box(GREY, (0, 0, 0.3), (0.1, 0.1, 0.3))
    stamp.op = tb.PAINT
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    painted = solid(box(GREY, (0, 0, 0), (0.3, 0.3, 0.3)), stamp)
    torch.testing.assert_close(signed_distance(plain, points), signed_distance(painted, points), rtol=0, atol=0)


def test_normalisation_centres_a_known_box() -> None:
    table = normalize(solid(box(GREY, (0.3, -0.1, 0.2), (0.4, 0.2, 0.1), edge=0.02)))
    np.testing.assert_allclose(table.center[0].numpy(), [0.3, -0.1, 0.2], atol=1e-4)
    assert table.scale.item() == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("family", ["mug", "chair", "shoe", "headphones", "plush", "wild"])
def test_ground_truth_is_closed_centred_and_of_unit_size(family: str) -> None:
    import trimesh

    mesh = to_mesh(generate_objects([21], family), 0, resolution=96)
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert shape.is_watertight
    assert shape.volume > 0
    assert max(shape.extents) == pytest.approx(1.0, abs=0.015)
    np.testing.assert_allclose(shape.bounds.mean(0), 0, atol=0.01)
    assert mesh.colors is not None
    assert mesh.colors.shape == mesh.vertices.shape


def test_every_family_makes_a_finite_object_that_fills_its_box() -> None:
    for family in FAMILIES:
        table = generate_objects([5], family)
        axis = torch.linspace(-0.6, 0.6, 25)
        points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
        distance = signed_distance(table, points)[0]
        assert torch.isfinite(distance).all(), family
        assert points[distance < 0].abs().amax() <= 0.5001, family
        assert points[distance < 0.03].abs().amax() > 0.44, family


def test_at_most_a_fifth_of_the_objects_look_the_same_when_turned() -> None:
    """Near-rotational: volumes before and after turns of 45, 90 and 130 degrees overlap by more than 0.85."""
    table = generate_objects(range(5000, 5060))
    points = torch.rand(3000, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    inside = signed_distance(table, points) < 0
    worst = torch.ones(len(table))
    for degrees in (45.0, 90.0, 130.0):
        a = torch.tensor(degrees).deg2rad()
        x, y, z = points.unbind(-1)
        turned_points = torch.stack([a.cos() * x + a.sin() * z, y, a.cos() * z - a.sin() * x], -1)
        other = signed_distance(table, turned_points) < 0
        worst = torch.minimum(worst, (inside & other).sum(1) / (inside | other).sum(1).clamp(min=1))
    assert (worst > 0.85).float().mean() <= 0.2
