"""Images a second of the procedural renderer: ``python bench/procedural.py [--size 64] [--device cuda]``.

Counts processor time on a CPU (other work may share it) and wall time on a GPU; twelve views an object.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from training.procedural import Cameras, build_grid, generate_objects, render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--supersample", type=int, default=1)
    parser.add_argument("--objects", type=int, default=16)
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--grid", type=int, default=0, help="grid resolution; 0 leaves it to render()")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cuda = arguments.device.startswith("cuda")
    clock = time.perf_counter if cuda else time.process_time

    def now() -> float:
        if cuda:
            torch.cuda.synchronize()
        return clock()

    objects, views = arguments.objects, arguments.views
    generator = torch.Generator().manual_seed(0)
    azimuth = torch.rand(objects, views, generator=generator) * 360
    elevation = torch.rand(objects, views, generator=generator) * 100 - 20
    radius = 1.4 + 0.8 * torch.rand(objects, views, generator=generator)
    cameras = Cameras(azimuth, elevation, radius).to(arguments.device)
    render(
        generate_objects([0], device=arguments.device), Cameras(*(v[:1, :1] for v in (azimuth, elevation, radius))), 32
    )
    start = now()
    table = generate_objects(range(100, 100 + objects), device=arguments.device)
    made = now()
    grid = build_grid(table, arguments.grid) if arguments.grid else None
    render(table, cameras, arguments.size, supersample=arguments.supersample, grid=grid)
    done = now()
    images = objects * views
    report = {
        "device": arguments.device,
        "size": arguments.size,
        "supersample": arguments.supersample,
        "views": views,
        "objects_per_s": round(objects / (made - start), 1),
        "images_per_s_render": round(images / (done - made), 1),
        "images_per_s_all": round(images / (done - start), 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
