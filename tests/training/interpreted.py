"""Compares the Triton kernels with plain torch; Triton is told by its environment to interpret, so it is a process."""

from __future__ import annotations

import json
import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch

from training import kernels, renderer
from training.procedural import normalize, studio_light
from training.procedural import table as tb
from training.procedural.parts import turned
from training.procedural.table import Row, build_table
from training.renderer import Rays


def every_kind() -> tb.ObjectTable:
    """Each primitive, each operation, blends, mirrors and turns, in two objects of unlike length."""
    wave = [0.7 + 0.3 * abs((i % 12) / 6 - 1) for i in range(tb.KNOTS)]
    first = [
        Row(tb.BOX, (0.3, 0.1, 0.2, 0.05, 0.02, 0.0, 0.2), at=(0, -0.3, 0)),
        Row(tb.ELLIPSOID, (0.2, 0.15, 0.1), at=(0.1, -0.1, 0.05), blend=0.05),
        Row(tb.LATHE, (0.2, 0.25, 0.8, 1.0, 0.01, 0.0), at=(-0.1, 0.1, 0), knots=wave, turn=turned(10, 20, 5)),
        Row(tb.POLAR, (0.25, 0.05, 1.0, 0.0, 0.01, 0.0, 0.1), at=(0, 0.35, 0), knots=wave),
        Row(tb.CAPSULE, (0.25, 0.04, 0.02, 1.0), at=(0.35, 0, 0.1), mirror=(True, True)),
        Row(tb.ARC, (0.2, 0.03, 1.4, 0.8, 1.2), at=(0.3, 0.1, 0), turn=turned(0, 40, 0)),
        Row(tb.WARP, (0.1, 0.15, 0.1, 0.03, 1.0, 0.02, 9.0, 0.5, 0.01), at=(-0.35, 0, 0)),
        Row(tb.BOX, (0.1, 0.2, 0.1, 0.02, 0.01), at=(0, -0.3, 0.15), op=tb.SUBTRACT, blend=0.02),
        Row(tb.ELLIPSOID, (0.1, 0.1, 0.1), at=(0.1, -0.1, 0.12), op=tb.PAINT, colors=((1, 0, 0),)),
    ]
    second = [
        Row(tb.BOX, (0.3, 0.3, 0.3, 0.0, 0.0, 0.03)),
        Row(tb.ELLIPSOID, (0.35, 0.35, 0.35), op=tb.INTERSECT),
    ]
    return normalize(build_table([0, 1], ["all", "two"], [first, second]))


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = every_kind()
    points = (torch.rand(2, 160, 3) - 0.5) * 1.1
    gaps = {"distance": (renderer.distance(table, points) - kernels.distance(table, points)).abs().max()}
    origin = torch.nn.functional.normalize(torch.randn(2, 150, 3), dim=-1) * 1.8
    aim = (torch.rand(2, 150, 3) - 0.5) * 0.9
    rays = Rays(origin, torch.nn.functional.normalize(aim - origin, dim=-1), torch.tensor([0.02, 0.02]))
    light = studio_light(2, generator=torch.Generator().manual_seed(1))
    plain, fused = (trace(table, rays, light) for trace in (renderer.trace, kernels.trace))
    gaps |= {
        name: (getattr(plain, name).float() - getattr(fused, name).float()).abs().max()
        for name in ("coverage", "t", "row", "sky", "lit")
    }
    seen = plain.coverage > 0
    gaps["normal"] = (plain.normal - fused.normal).abs().max()
    colour = [renderer.colours(table, rays, light, found) for found in (plain, fused)]
    gaps["colour"] = (colour[0] - colour[1]).abs().max()
    found = {name: float(value) for name, value in gaps.items()}
    rows = sorted(set(plain.row[seen].tolist()))
    partly = float(((plain.coverage > 0) & (plain.coverage < 1)).sum())
    json.dump({"gaps": found, "seen": float(seen.float().mean()), "rows": rows, "partly": partly}, sys.stdout)


if __name__ == "__main__":
    main()
