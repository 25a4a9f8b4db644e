"""Settings from outside: what is misspelled or does not fit is one sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError
from tasks.settings import Settings, read_settings, unknown_variables


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("S3_ENDPOINT", "127.0.0.1:9000", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "minio", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "ftp://minio", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "http://minio:port", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "http://[::1", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "http://:9000", "MESHMILL_S3_ENDPOINT: it looks like http://host:port"),
        ("S3_ENDPOINT", "http://minio:9000/minio", "MESHMILL_S3_ENDPOINT: it is http://host:port alone"),
        ("S3_ENDPOINT", "http://key:hunter2@minio", "MESHMILL_S3_ENDPOINT: it is http://host:port alone"),
        ("S3_ACCESS_KEY", "k", "MESHMILL_S3_ACCESS_KEY and MESHMILL_S3_SECRET_KEY are set both"),
        ("S3_SECRET_KEY", "hunter2", "MESHMILL_S3_ACCESS_KEY and MESHMILL_S3_SECRET_KEY are set both"),
        ("DATABASE_URL", "postgresql://u:hunter2@h:x/d", "MESHMILL_DATABASE_URL: It is no database URL"),
        ("STORE_URL", "file://data", "MESHMILL_STORE_URL: 'file://data' names no absolute folder"),
        ("WEBHOOK_URL", "hook.example", "MESHMILL_WEBHOOK_URL: it begins with http:// or https://"),
        ("HOME", "~nobody-here/x", "MESHMILL_HOME: there is no home of a user in"),
        ("LEASE_SECONDS", "nan", "MESHMILL_LEASE_SECONDS"),
        ("STAGE_TIMEOUT", "inf", "MESHMILL_STAGE_TIMEOUT"),
        ("STAGE_TIMEOUT", "1e300", "MESHMILL_STAGE_TIMEOUT"),
        ("FINISH_WORKERS", "many", "MESHMILL_FINISH_WORKERS"),
        ("DEVICE", "tpu", "MESHMILL_DEVICE"),
        ("STORE_URI", "s3://shop", "MESHMILL_STORE_URI is not known; is MESHMILL_STORE_URL meant?"),
        ("DATABSE_URL", "x", "is MESHMILL_DATABASE_URL meant?"),
        ("LEASE_SECOND", "5", "is MESHMILL_LEASE_SECONDS meant?"),
    ],
)
def test_a_variable_that_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"MESHMILL_{name}", value)
    with pytest.raises(InputError) as caught:
        read_settings()
    assert sentence in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("stage_timout = 5", "'stage_timout' in meshmill.toml is not known, is stage_timeout meant?"),
        ('[s3]\nendpoint = "x"', "'s3' in meshmill.toml is not known"),
        ("nonsense_entirely = 1", "'nonsense_entirely' in meshmill.toml is not known"),
        ('home = "a\\u0000b"', "MESHMILL_HOME: a path holds no NUL character"),
        ('store_url = "/a\\u0000b"', "MESHMILL_STORE_URL: a path holds no NUL character"),
        ("home = ", "meshmill.toml cannot be read"),
    ],
)
def test_a_settings_file_that_does_not_fit_says_where(file: str, sentence: str) -> None:
    Path("meshmill.toml").write_text(file)
    with pytest.raises(InputError) as caught:
        read_settings()
    assert sentence in str(caught.value)


def test_a_settings_file_of_bytes_or_a_folder_is_a_sentence() -> None:
    Path("meshmill.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_settings()
    Path("meshmill.toml").unlink()
    Path("meshmill.toml").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_settings()


def test_a_settings_file_may_write_names_in_capitals() -> None:
    Path("meshmill.toml").write_text('HOME = "x"')
    assert read_settings().home == Path("x")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DATABASE_URL", "STORE_URL", "S3_ENDPOINT", "DEVICE"):
        monkeypatch.setenv(f"MESHMILL_{name}", "")
    settings = read_settings()
    assert settings.home == Path(".meshmill")
    assert settings.device == "auto"


def test_what_others_put_under_the_prefix_is_named_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "TEST_SECONDS", "GALLERY_TOKEN", "DIRECTORY"):
        monkeypatch.setenv(f"MESHMILL_{name}", "x")
    read_settings()
    assert unknown_variables() == ["MESHMILL_SERVICE_HOST"]


@pytest.mark.parametrize("pair", [("a", "a#1"), ("a", "a?x"), ("a b", "a%20b"), ("a", "a;1"), ("ä", "%C3%A4")])
def test_two_homes_never_share_a_store_or_a_database(tmp_path: Path, pair: tuple[str, str]) -> None:
    from tasks.factory import open_factory

    for name in pair:
        factory = open_factory(Settings(home=tmp_path / name))
        factory.store.put(
            b"x", "objects/x", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "text/plain"
        )
        factory.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(pair)
    for name in pair:
        assert (tmp_path / name / "meshmill.db").is_file()
        assert (tmp_path / name / "store" / "objects" / "x").is_file()
