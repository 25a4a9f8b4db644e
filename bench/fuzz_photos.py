"""Mutate images and read them: no crash, no hang, no more memory than promised, no error outside the tree.

python bench/fuzz_photos.py [--count 2000] [--seed 0] [--limit-seconds 20] [--limit-mib 1024]

Runs in one process under an alarm; a crash of a C decoder would end it with the mutation's number on the last line.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import signal
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from core.errors import InputError
from core.memory import peak_memory
from core.photos import read_photo


def seeds() -> dict[str, bytes]:
    """Small valid files of every allowed kind and of many pixel modes."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    rng = np.random.default_rng(0)
    pixels = np.full((160, 192, 4), 255, np.uint8)
    pixels[40:120, 50:150, :3] = rng.integers(0, 255, (80, 100, 3))
    pixels[:20, :, 3] = 0
    rgba = Image.fromarray(pixels)
    rgb, gray = rgba.convert("RGB"), rgba.convert("L")
    exif = Image.Exif()
    exif[0x0112] = 6
    sixteen = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    frames = [rgb, rgb.rotate(90), rgb.rotate(180)]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return {
        "jpeg": encode(rgb, "JPEG", exif=exif.tobytes()),
        "jpeg-progressive": encode(rgb, "JPEG", progressive=True),
        "jpeg-cmyk": encode(rgb.convert("CMYK"), "JPEG"),
        "jpeg-gray": encode(gray, "JPEG"),
        "jpeg-profile": encode(rgb, "JPEG", icc_profile=profile, quality=30),
        "png": encode(rgb, "PNG"),
        "png-rgba": encode(rgba, "PNG", exif=exif.tobytes()),
        "png-palette": encode(rgb.quantize(32), "PNG", transparency=3),
        "png-16": encode(sixteen, "PNG"),
        "png-profile": encode(rgba, "PNG", icc_profile=profile),
        "webp": encode(rgba, "WEBP"),
        "webp-animated": encode(rgb, "WEBP", save_all=True, append_images=frames[1:]),
        "gif": encode(rgb, "GIF", save_all=True, append_images=frames[1:]),
        "bmp": encode(rgb, "BMP"),
        "tiff": encode(rgb, "TIFF", compression="tiff_lzw"),
        "tiff-turned": encode(rgb, "TIFF", exif=exif),
        "tiff-16": encode(sixteen, "TIFF"),
        "tiff-float": encode(Image.fromarray(np.asarray(gray, np.float32)), "TIFF"),
        "avif": encode(rgb, "AVIF"),
        "heic": encode(rgb, "HEIF"),
    }


def mutate(rng: np.random.Generator, data: bytes, others: list[bytes]) -> tuple[str, bytes]:
    """One mutation, by name."""
    buffer = bytearray(data)
    kind = str(
        rng.choice(["truncate", "flip", "bytes", "zero", "swap", "insert", "delete", "splice", "size", "header"])
    )
    at = int(rng.integers(len(buffer)))
    if kind == "truncate":
        del buffer[at:]
    elif kind == "flip":
        for _ in range(int(rng.integers(1, 9))):
            buffer[int(rng.integers(len(buffer)))] ^= 1 << int(rng.integers(8))
    elif kind == "bytes":
        for _ in range(int(rng.integers(1, 40))):
            buffer[int(rng.integers(len(buffer)))] = int(rng.integers(256))
    elif kind == "zero":
        buffer[at : at + int(rng.integers(1, 200))] = bytes(int(rng.integers(1, 200)))
    elif kind == "swap":
        other = int(rng.integers(len(buffer)))
        buffer[at : at + 16], buffer[other : other + 16] = buffer[other : other + 16], buffer[at : at + 16]
    elif kind == "insert":
        buffer[at:at] = rng.bytes(int(rng.integers(1, 100)))
    elif kind == "delete":
        del buffer[at : at + int(rng.integers(1, 100))]
    elif kind == "splice":
        other_file = others[int(rng.integers(len(others)))]
        buffer[at:] = other_file[int(rng.integers(len(other_file))) :]
    elif kind == "size":  # huge or odd numbers where headers keep sizes
        value = int(rng.choice([0, 1, 127, 65535, 2**24, 2**31 - 1, 2**32 - 1]))
        head = int(rng.integers(min(len(buffer) - 4, 64)))
        buffer[head : head + 4] = struct.pack(str(rng.choice([">I", "<I"])), value)
        if buffer[:4] == b"\x89PNG" and rng.random() < 0.7:  # with a valid checksum, so that it is believed
            buffer[16:24] = struct.pack(">II", value & 0x7FFFFFFF, int(rng.choice([1, 200, 65535, 100_000])))
            buffer[29:33] = struct.pack(">I", zlib.crc32(bytes(buffer[12:29])))
    else:  # another file's first bytes
        head = int(rng.integers(2, 32))
        buffer[:head] = others[int(rng.integers(len(others)))][:head]
    return kind, bytes(buffer)


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """``count`` mutated files with names that say how they came about."""
    files = seeds()
    names, contents = list(files), list(files.values())
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        kind, data = mutate(rng, files[name], contents)
        if rng.random() < 0.3 and data:
            more, data = mutate(rng, data, contents)
            kind += f"+{more}"
        yield f"{number} {name} {kind}", data


def run(count: int, seed: int, limit_seconds: int, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Read every case; raises whatever is not an :class:`InputError`, or TimeoutError beyond the limit."""

    def expired(*_: Any) -> None:
        raise TimeoutError(f"more than {limit_seconds} s")

    previous = signal.signal(signal.SIGALRM, expired)
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = (0.0, "")
    try:
        for name, data in cases(count, seed):
            started = time.perf_counter()
            signal.alarm(limit_seconds)
            try:
                photo = read_photo(data)
                assert photo.rgba.shape[2] == 4
                assert photo.rgba.dtype == np.uint8
                outcomes["read"] += 1
            except InputError as error:
                if not str(error).endswith("."):
                    raise AssertionError(f"{name}: no sentence: {error}") from error
                outcomes[type(error).__name__] += 1
            except BaseException:
                report(f"{name}: {len(data)} bytes")
                raise
            finally:
                signal.alarm(0)
            slowest = max(slowest, (time.perf_counter() - started, name))
    finally:
        signal.signal(signal.SIGALRM, previous)
    peak = peak_memory() // 2**20
    return {
        "count": count,
        "seed": seed,
        "outcomes": dict(outcomes),
        "slowest_seconds": round(slowest[0], 3),
        "slowest": slowest[1],
        "peak_mib": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-seconds", type=int, default=20)
    parser.add_argument("--limit-mib", type=int, default=1024)
    arguments = parser.parse_args()
    result = run(arguments.count, arguments.seed, arguments.limit_seconds)
    print(json.dumps(result, indent=1))
    if result["peak_mib"] > arguments.limit_mib:
        raise SystemExit(f"peak memory {result['peak_mib']} MiB exceeds {arguments.limit_mib} MiB")


if __name__ == "__main__":
    main()
