"""The files that a server is set up with are valid by the schema of whoever reads them, and say what they should.

No container engine runs here: that an image builds, that its containers start and that a cluster takes the manifests is
not tested. `tests/deploy/test_image.py` replays the image's own steps, `test_plane.py` runs the plane's scripts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.34"


def compose() -> dict[str, Any]:
    """The compose file with its merge keys resolved, as an engine reads it."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8")))


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
ONCE = {"roles", "minio-bucket", "setup", "grants"}


def test_the_compose_file_is_valid_by_its_specification() -> None:
    from check_jsonschema.builtin_schemas import get_builtin_schema

    schema = get_builtin_schema("vendor.compose-spec")
    validator = jsonschema.validators.validator_for(schema)(schema)
    validator.validate(compose())
    broken = compose()
    broken["services"]["gallery"]["helthcheck"] = {}
    with pytest.raises(jsonschema.ValidationError, match="helthcheck"):
        validator.validate(broken)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    image = service["image"]
    assert re.search(r":\d|:RELEASE\.|meshmill:\d", image), "no version"
    assert ":latest" not in image
    assert not image.startswith("minio/"), "gone from the registry since 2026-09"
    assert service["profiles"]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    if name not in ONCE and not service["image"].startswith("${"):
        assert service["healthcheck"]["test"]
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${BIND:-127.0.0.1}:")), "nothing listens to the network unasked"
    for other, condition in service.get("depends_on", {}).items():
        shared = set(service["profiles"]) <= set(SERVICES[other]["profiles"])
        assert shared or condition.get("required") is False, f"{other} may run on another host, or not at all"
        if condition["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert other in ONCE


def test_volumes_are_declared_and_used() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())]
    assert {mount for mount in mounts if not mount.startswith((".", "$"))} == set(compose()["volumes"])
    assert "prefect:/var/lib/meshmill" in SERVICES["prefect"]["volumes"], "leases of slots outlive the server there"
    assert "filesystem" in SERVICES["prefect"]["environment"]["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"]


def test_every_variable_of_the_compose_file_is_explained() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+)(:[-?])?", (ROOT / "compose.yaml").read_text("utf-8")))
    example = (ROOT / ".env.example").read_text("utf-8")
    explained = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.M))
    assert set(used) - {"WORKER_MEMORY"} == explained - {"COMPOSE_PROFILES"}
    assert all(used.values()), "a variable without a default and without a refusal is an empty password"
    for secret in re.findall(r"^([A-Z_]+)=''", example, re.M):
        assert used[secret] == ":?", f"{secret} has a default"


def test_no_password_stands_in_a_url() -> None:
    """There an @ or a / would end it; libpq and asyncpg take it from PGPASSWORD as it is."""
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "://" in str(value):
                assert not re.search(r"://[^/@]*:[^/@]*\$\{?[A-Z_]*(PASSWORD|SECRET)", str(value)), (name, variable)


def test_who_builds_never_holds_the_keys_of_the_plane() -> None:
    """A worker reads hostile photos: what it holds are the worker's own role and key."""
    for name in ("worker", "build", "build-gpu", "gallery"):
        values = json.dumps(SERVICES[name]["environment"])
        assert not re.search(r"POSTGRES_PASSWORD|OWNER_PASSWORD|STORE_ADMIN", values), name
    assert "PREFECT_SERVER_API_AUTH_STRING" in SERVICES["prefect"]["environment"]
    assert SERVICES["prefect"]["environment"]["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).resolve().parent))
    beside = Path(yaml.__file__).resolve().parents[4] / "bin" / name  # where the package's own environment has it
    return found or str(beside)


def test_the_dockerfile_passes_its_linter() -> None:
    linter = program("hadolint")
    done = subprocess.run([linter, "--no-color", "-"], input=(ROOT / "Dockerfile").read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    broken = b"FROM python:latest\nRUN cd /tmp && sudo apt-get install curl\n"
    assert subprocess.run([linter, "-"], input=broken, capture_output=True).returncode == 1


def test_the_image_runs_as_nobody_in_particular_and_is_watched() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", final, re.M)
    assert "HEALTHCHECK" in final
    layers = re.findall(r"^COPY --from=\S+ (\S+)", final, re.M)
    assert layers == ["/opt/meshmill", "/weights/models", "/code"], "packages, then weights, then code"


UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def directives(unit: Path) -> Iterator[tuple[str, str]]:
    for line in unit.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_valid_by_systemds_own_check(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in UNITS:  # programs that exist here stand for those of an installation
        text = path.read_text("utf-8")
        (tmp_path / path.name).write_text(re.sub(r"^(ExecStart\w*)=\S+", r"\1=/bin/true", text, flags=re.M))
    done = verified(tmp_path / unit.name)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), done.stderr
    (tmp_path / unit.name).write_text((tmp_path / unit.name).read_text().replace("User=", "Usr=", 1))
    assert "Usr" in verified(tmp_path / unit.name).stderr, "the check would find a misspelled line"


def verified(unit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_limited_and_keep_to_themselves(unit: Path) -> None:
    found = dict(directives(unit))
    assert found["User"] == "meshmill"
    assert found["NoNewPrivileges"] == "yes"
    assert found["UMask"] == "0077"
    assert found["StateDirectoryMode"] == "0700"
    if found.get("Type") != "oneshot":
        assert found["Restart"] == "always"
        assert "MemoryMax" in found
    if "worker start" in found["ExecStart"]:
        assert found["KillMode"] == "mixed", "SIGTERM to the run itself would cut it off"
        assert found["TimeoutStopSec"] == "2h"
        assert found["PrivateTmp"] == "no", "the lock of a GPU lies in the host's /tmp"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "meshmill.yaml").read_text("utf-8")))


def filled_pod() -> dict[str, Any]:
    """The work pool's job with the values of a run in its places."""
    template = json.loads((DEPLOY / "kubernetes" / "gpu-pool.json").read_text("utf-8"))
    properties = template["variables"]["properties"]
    values = {name: field.get("default") for name, field in properties.items()}
    values |= {"labels": {"run": "one"}, "env": [{"name": "A", "value": "b"}], "command": ["prefect"]}
    text = json.dumps(template["job_configuration"]["job_manifest"])
    assert set(re.findall(r"\{\{ (\w+) \}\}", text)) <= set(properties)
    for name, value in values.items():
        text = text.replace(json.dumps(f"{{{{ {name} }}}}"), json.dumps(value))
    return dict(json.loads(text))


@pytest.mark.parametrize("document", [*manifests(), filled_pod()], ids=lambda d: d["kind"])
def test_manifests_are_valid_by_kubernetes_own_schema(document: dict[str, Any]) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(document, KUBERNETES, strict=True)
    broken = json.loads(json.dumps(document)) | {"spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_a_pod_of_the_pool_asks_for_a_gpu_and_runs_as_nobody() -> None:
    pod = filled_pod()["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_whoever_asks_prefect_bears_an_error_of_its_server() -> None:
    for name in ("worker", "build", "build-gpu", "setup"):
        assert "500" in str(SERVICES[name]["environment"]["PREFECT_CLIENT_RETRY_EXTRA_CODES"]), name
    for unit in ("meshmill-worker", "meshmill-gpu@"):
        written = (ROOT / "deploy" / "systemd" / f"{unit}.service").read_text("utf-8")
        assert "Environment=PREFECT_CLIENT_RETRY_EXTRA_CODES=500" in written, unit
