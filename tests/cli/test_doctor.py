"""`meshmill doctor` finds what is missing, says what to do, and does it where it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from s3_server import ACCESS, SECRET, ready

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


def test_a_check_that_there_is_not_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "doctor", "stores"]
    done = subprocess.run(command, env=os.environ | {"MESHMILL_HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'stores' is none of packages, " in done.stderr
