"""`meshmill doctor` finds what is missing, says what to do, and does it where it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from s3_server import ACCESS, SECRET, ready

from cli import doctor_device
from cli.doctor_servers import NEEDS
from storage.s3 import open_s3


def doctor(environment: dict[str, str], *words: str) -> tuple[int, dict[str, Any]]:
    """Its exit code, and its checks by name."""
    command = [sys.executable, "-m", "cli.main", "doctor", "--json", *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.mark.server
def test_a_missing_bucket_is_named_and_made(seaweed: str, tmp_path: Path) -> None:
    ready(open_s3("contract", "", seaweed, ACCESS, SECRET))
    environment = {
        "MESHMILL_HOME": str(tmp_path),
        "MESHMILL_STORE_URL": "s3://not-made-yet/assets",
        "MESHMILL_S3_ENDPOINT": seaweed,
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
    }
    code, checks = doctor(environment, "store")
    assert (code, list(checks)) == (1, ["store"])
    assert "NoSuchBucket" in checks["store"]["found"]
    assert "doctor --fix" in checks["store"]["fix"]
    code, checks = doctor(environment, "store", "--fix")
    assert (code, checks["store"]["found"]) == (0, "s3://not-made-yet/assets")
    assert open_s3("not-made-yet", "", seaweed, ACCESS, SECRET).client.bucket_exists("not-made-yet")

    code, checks = doctor(environment | {"MESHMILL_S3_SECRET_KEY": "wrong"}, "store", "--fix")
    assert code == 1
    assert "SignatureDoesNotMatch" in checks["store"]["found"]
    assert "Tried: The store refuses" in checks["store"]["fix"]


@pytest.mark.server
def test_a_bucket_that_everybody_reads_is_said(seaweed: str, tmp_path: Path) -> None:
    store = open_s3("open-to-all", "assets", seaweed, ACCESS, SECRET)
    ready(store)
    environment = {
        "MESHMILL_HOME": str(tmp_path),
        "MESHMILL_STORE_URL": "s3://open-to-all/assets",
        "MESHMILL_S3_ENDPOINT": seaweed,
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
    }
    code, checks = doctor(environment, "bucket")
    assert (code, checks["bucket"]["found"]) == (0, "nobody lists or reads it without keys")
    for action, resource, said in (("GetObject", "open-to-all/*", "read"), ("ListBucket", "open-to-all", "list")):
        allowed = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": f"s3:{action}",
            "Resource": f"arn:aws:s3:::{resource}",
        }
        store.client.set_bucket_policy("open-to-all", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
        code, checks = doctor(environment, "bucket")
        assert (code, checks["bucket"]["found"]) == (1, f"whoever reaches it may {said} it without keys")
    assert "public policy off the bucket open-to-all" in checks["bucket"]["fix"]
    assert [entry.key for entry in store.list()] == [], "what it tried with is gone"


def test_a_server_that_is_away_is_named_by_every_check_that_asks_it(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "MESHMILL_HOME": str(tmp_path),
        "MESHMILL_DATABASE_URL": f"postgresql://meshmill@127.0.0.1:{port}/meshmill",
        "MESHMILL_STORE_URL": "s3://meshmill",
        "MESHMILL_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    code, checks = doctor(environment, "--worker")
    assert code == 1
    away = {name for name, check in checks.items() if f"at 127.0.0.1:{port} cannot be reached" in check["found"]}
    assert away == {name for name in NEEDS if name != "workers"}
    assert all(checks[name]["fix"] for name in away)
    assert "workers" not in checks, "a worker that starts is not online yet"


def test_the_device_is_that_of_driver_torch_and_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    assert doctor_device.torch_cuda() == torch.version.cuda
    if not torch.cuda.is_available():
        assert doctor_device.cuda_devices() == []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor_device, "cuda_devices", lambda: ["H100, 80 GiB"])
    monkeypatch.setattr(doctor_device, "torch_cuda", lambda: "12.8")
    assert doctor_device.device() == ("cuda 12.8: H100, 80 GiB", None)
    monkeypatch.setattr(doctor_device, "torch_cuda", lambda: None)
    assert "Install torch for CUDA" in str(doctor_device.device()[1])
    monkeypatch.setattr(doctor_device, "cuda_devices", list)
    assert doctor_device.device()[1] is None
    monkeypatch.setenv("MESHMILL_DEVICE", "cuda")
    assert "NVIDIA's driver" in str(doctor_device.device()[1])


def test_a_check_that_there_is_not_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "doctor", "stores"]
    done = subprocess.run(command, env=os.environ | {"MESHMILL_HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'stores' is none of packages, " in done.stderr
