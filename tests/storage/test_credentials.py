"""Keys of the surroundings, as AWS' own tools take them: on a real S3 server, and what a server is sent."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_server import ACCESS, SECRET, ready

from core.errors import StoreDown, StoreRefused
from storage.credentials import keys_of_surroundings
from storage.s3 import S3Store, open_s3


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


class Answers(http.server.BaseHTTPRequestHandler):
    """AWS' metadata of an instance, its STS, a container's keys; any other path is an S3 server that is asked."""

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]
        status, said = self.server.say(self.command, self.path, self.headers)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_PUT = do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def amazon() -> Iterator[Any]:
    """What stands for AWS' own services; ``keys`` are those that it lends, ``asked`` what it was asked."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.keys, server.url = [], (ACCESS, SECRET, ""), f"http://127.0.0.1:{server.server_port}"
    server.until = "2099-01-01T00:00:00Z"

    def say(method: str, path: str, headers: Any) -> tuple[int, bytes]:
        access, secret, token = server.keys
        if path == "/latest/api/token":
            return (200, b"session") if method == "PUT" else (405, b"")
        if path == "/latest/meta-data/iam/security-credentials/":
            return (200, b"meshmill-worker") if headers["X-aws-ec2-metadata-token"] == "session" else (401, b"")
        if path.endswith("/meshmill-worker") or path == "/container":
            lent = {"AccessKeyId": access, "SecretAccessKey": secret, "Token": token}
            return 200, json.dumps(lent | {"Code": "Success", "Expiration": server.until}).encode()
        if method == "POST":
            return 200, (
                '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{access}</AccessKeyId>"
                f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
                "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                "</AssumeRoleWithWebIdentityResponse>"
            ).encode()
        return 404, b""

    server.say = say
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def by_variables(monkeypatch: pytest.MonkeyPatch, amazon: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def by_profile(monkeypatch: pytest.MonkeyPatch, amazon: Any, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    written = f"[shop]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / ".aws" / "credentials").write_text(written)
    monkeypatch.setenv("AWS_PROFILE", "shop")


def by_instance(monkeypatch: pytest.MonkeyPatch, amazon: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", amazon.url)


def by_container(monkeypatch: pytest.MonkeyPatch, amazon: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{amazon.url}/container")


def by_web_identity(monkeypatch: pytest.MonkeyPatch, amazon: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of Kubernetes")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/meshmill")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", amazon.url)


WAYS = [by_variables, by_profile, by_instance, by_container, by_web_identity]


@pytest.mark.server
@pytest.mark.parametrize("way", WAYS)
def test_keys_of_the_surroundings_open_a_real_store(
    way: Any, seaweed: str, amazon: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready(open_s3("contract", "", seaweed, ACCESS, SECRET))
    with pytest.raises(StoreRefused, match="AccessDenied"):
        list(open_s3("contract", "", seaweed, None, None).list())
    way(monkeypatch, amazon, tmp_path)
    store = open_s3("contract", f"keys-{way.__name__}", seaweed, None, None)
    ready(store)
    assert store.size("nothing") is None


@pytest.mark.parametrize("way", [by_instance, by_container, by_web_identity])
def test_a_lent_key_is_sent_with_its_token_and_asked_for_once(
    way: Any, amazon: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    amazon.keys = ("lent", "secret", "token of an hour")
    way(monkeypatch, amazon, tmp_path)
    store = open_s3("photos", "", amazon.url, None, None)
    for _ in range(2):
        with pytest.raises(StoreDown):
            list(store.list())
    sent = [headers for _, path, headers in amazon.asked if path.startswith("/photos")]
    assert [headers["X-Amz-Security-Token"] for headers in sent] == ["token of an hour"] * 2
    assert all("Credential=lent/" in headers["Authorization"] for headers in sent)
    lent = [path for method, path, _ in amazon.asked if method == "POST" or path.endswith(("/container", "-worker"))]
    assert len(lent) == 1


def test_keys_whose_time_is_over_are_asked_for_again(amazon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{amazon.url}/container")
    amazon.until = "2020-01-01T00:00:00Z"
    store = open_s3("photos", "", amazon.url, None, None)
    for key in ("first", "second"):
        amazon.keys = (key, "secret", "token")
        with pytest.raises(StoreDown):
            list(store.list())
        assert f"Credential={key}/" in amazon.asked[-1][2]["Authorization"]


def test_a_token_of_the_settings_is_sent(amazon: Any) -> None:
    store = open_s3("photos", "", amazon.url, "lent", "secret", None, "token of an hour")
    with pytest.raises(StoreDown):
        list(store.list())
    assert amazon.asked[-1][2]["X-Amz-Security-Token"] == "token of an hour"


def test_what_is_set_here_comes_first(amazon: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_variables(monkeypatch, amazon, tmp_path)
    with pytest.raises(StoreDown):
        list(open_s3("photos", "", amazon.url, "ours", "secret").list())
    assert "Credential=ours/" in amazon.asked[-1][2]["Authorization"]


def refused(store: S3Store) -> str:
    with pytest.raises(StoreRefused) as why:
        list(store.list())
    return str(why.value)


def test_keys_that_are_not_there_are_said(amazon: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "the profile nobody" in refused(open_s3("photos", "", amazon.url, None, None))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    assert "AWS_SECRET_ACCESS_KEY" in refused(open_s3("photos", "", amazon.url, None, None))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{amazon.url}/elsewhere")
    assert "the instance's role" in refused(open_s3("photos", "", amazon.url, None, None))


def test_an_instance_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from ports import free_port

    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreDown, match="cannot be fetched") as why:
        list(open_s3("photos", "", "http://127.0.0.1:1", None, None).list())
    assert not isinstance(why.value, StoreRefused)


def test_nobody_is_asked_for_keys_of_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert keys_of_surroundings("http://store:9000") is None
    assert keys_of_surroundings("https://s3.eu-central-1.amazonaws.com") is not None
    assert keys_of_surroundings("https://amazonaws.com.evil.example") is None
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert keys_of_surroundings("https://s3.eu-central-1.amazonaws.com") is None
