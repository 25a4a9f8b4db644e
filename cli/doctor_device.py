"""`meshmill doctor device`: the GPUs that the driver offers and whether the installed torch can use them, without the
seconds that importing torch takes."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
from pathlib import Path

Found = tuple[str, str | None]


def device() -> Found:
    """The first GPU, or the cores."""
    from tasks.settings import read_settings

    wanted, gpus, built = read_settings().device, cuda_devices(), torch_cuda()
    cores = f"cpu: {os.cpu_count()} cores"
    if not gpus:
        fix = "Install NVIDIA's driver, or set MESHMILL_DEVICE=auto." if wanted == "cuda" else None
        return f"{cores} (the driver offers no GPU)", fix
    if built is None:
        fix = None if wanted == "cpu" else "Install torch for CUDA, or set MESHMILL_DEVICE=cpu."
        return f"{cores}; torch is built without CUDA and cannot use {gpus[0]}", fix
    if wanted == "cpu":
        return f"{cores} (MESHMILL_DEVICE=cpu; there is {gpus[0]})", None
    return f"cuda {built}: {', '.join(gpus)}", None


def cuda_devices() -> list[str]:
    """Names and memory of the GPUs that CUDA_VISIBLE_DEVICES leaves, as the driver's own library says them."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    return [_described(driver, number) for number in range(count.value)]


def _described(driver: ctypes.CDLL, number: int) -> str:
    handle, name, memory = ctypes.c_int(), ctypes.create_string_buffer(100), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(name, len(name), handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    return f"{name.value.decode(errors='replace')}, {memory.value / 2**30:.0f} GiB"


def torch_cuda() -> str | None:
    """The CUDA version that torch was built for; None for a build without. Raises ``ImportError`` where there is no
    torch."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise ImportError("torch is not installed")
    text = Path(found.origin).with_name("version.py").read_text("utf-8")
    built = re.search(r"^cuda\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, re.M)
    return built[1] if built else None
