"""The renderer of the GPU training: closed forms for plain torch, and the fused kernels against it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.zero123.lift import TAN, camera_axes, pixel_grid
from training import renderer
from training.procedural import generate_objects, normalize, render, studio_light
from training.procedural import table as tb
from training.procedural.table import Row, build_table
from training.procedural.views import Cameras
from training.renderer import Rays

HERE = Path(__file__).parent


def looking(azimuth: float, elevation: float, radius: float, size: int, count: int = 1) -> Rays:
    axes = camera_axes(torch.tensor([azimuth]), torch.tensor([elevation]))
    uv = pixel_grid(size, torch.device("cpu"))
    local = torch.stack([uv[:, 0] * TAN, -uv[:, 1] * TAN, -torch.ones(len(uv))], -1)
    direction = torch.nn.functional.normalize(local @ axes[0].T, dim=-1)
    origin = (axes[:, :, 2] * radius)[:, None].expand(count, len(uv), -1)
    return Rays(origin.contiguous(), direction.expand(count, -1, -1), torch.full((count,), 2 * TAN / size))


def ball() -> tb.ObjectTable:
    return normalize(build_table([0], ["ball"], [[Row(tb.ELLIPSOID, (0.5, 0.5, 0.5))]]))


def test_a_ball_is_where_geometry_says() -> None:
    rays = looking(30.0, 20.0, 1.8, 48)
    seen = renderer.trace(ball(), rays, studio_light(1))
    along = -(rays.origin * rays.direction).sum(-1)
    gap = (rays.origin + rays.direction * along[..., None]).norm(dim=-1)
    hit = seen.coverage[0] == 1
    assert (hit == (gap[0] < 0.5)).float().mean() > 0.995
    truth = along - (0.25 - gap.square()).clamp(min=0).sqrt()
    inner = gap[0] < 0.4  # a ray arrives 0.6 thousandths early, and the box is measured to about one
    assert (seen.t[0] - truth[0])[inner].abs().max() < 4e-3
    at = rays.origin + rays.direction * seen.t[..., None]
    assert ((seen.normal - at / at.norm(dim=-1, keepdim=True)).norm(dim=-1)[0][inner]).max() < 0.02


def test_outlines_have_no_steps() -> None:
    """Coverage summed over pixels is the disc's area far more exactly than hits are."""
    area = math.pi * (math.tan(math.asin(0.5 / 1.8)) / TAN * 24 / 2) ** 2
    seen = renderer.trace(ball(), looking(0.0, 0.0, 1.8, 24), studio_light(1))
    assert ((seen.coverage > 0) & (seen.coverage < 1)).sum() > 8
    assert float(seen.coverage.sum()) == pytest.approx(area, rel=0.08)


def test_it_looks_as_the_views_do() -> None:
    """The same picture as the renderer that marches through a distance grid, but for outlines."""
    table, size = generate_objects(range(3, 6)), 48
    seen_rays = looking(40.0, 25.0, 1.8, size, 3)
    light = studio_light(3)
    seen = renderer.trace(table, seen_rays, light)
    mine = renderer.colours(table, seen_rays, light, seen).view(3, size, size, 3)
    camera = Cameras(torch.full((3, 1), 40.0), torch.full((3, 1), 25.0), torch.full((3, 1), 1.8))
    views = render(table, camera, size, supersample=1, light=light)
    theirs = views.rgb[:, 0].permute(0, 2, 3, 1)
    both = (seen.coverage.view(3, size, size) == 1) & (views.alpha[:, 0, 0] == 1)
    either = (seen.coverage.view(3, size, size) > 0.5) | (views.alpha[:, 0, 0] > 0.5)
    assert both.sum() / either.sum() > 0.9
    off = (mine - theirs).abs().mean(-1)[both]
    assert float(off.median()) < 0.02
    assert float(off.mean()) < 0.05


def test_nothing_in_sight_is_white() -> None:
    rays = looking(0.0, 0.0, 1.8, 8)
    away = Rays(rays.origin, -rays.direction, rays.spread)
    light = studio_light(1)
    seen = renderer.trace(ball(), away, light)
    assert not seen.coverage.any()
    assert (renderer.colours(ball(), away, light, seen) == 1).all()


def run(code: list[str], **environment: str) -> str:
    repository = str(HERE.parents[1])
    path = os.pathsep.join([repository, str(HERE.parent)])
    done = subprocess.run(
        [sys.executable, *code],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, timeout=500, check=False, cwd=repository,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_fused_kernels_compute_what_plain_torch_does() -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install -e .[kernels]")
    found = json.loads(run([str(HERE / "interpreted.py")]))
    assert 0.3 < found["seen"] < 0.98
    assert found["partly"] > 3
    assert set(found["rows"]) >= {0, 1, 2, 3, 4, 5, 6, 8}, "every kind of primitive was met, and the paint"
    assert found["gaps"]["row"] == 0
    for name, gap in found["gaps"].items():
        assert gap < (5e-3 if name in ("normal", "sky", "lit", "colour") else 1e-5), (name, gap)


COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from training import kernels
for kernel in (kernels._distance_kernel, kernels._trace_kernel):
    kinds = {"n": "i32", "slots": "i32", "codes": "*i32", "counts": "*i32", "row_out": "*i32", "block": "constexpr"}
    signature = {name: kinds.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs={"block": kernels.BLOCK})
    built = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    print(kernel.__name__, len(built.asm["cubin"]))
"""


def test_the_fused_kernels_compile_for_the_gpu(tmp_path: Path) -> None:
    """Down to machine code of an H100, which needs none; what the interpreter lets pass, the compiler may not."""
    pytest.importorskip("triton", reason="Triton is not installed: pip install -e .[kernels]")
    lines = run(["-c", COMPILE], TRITON_CACHE_DIR=str(tmp_path)).split()
    assert lines[::2] == ["_distance_kernel", "_trace_kernel"]
    assert all(int(size) > 10_000 for size in lines[1::2])
