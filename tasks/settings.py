"""Settings: `MESHMILL_*` variables, else `meshmill.toml` in the working folder, else the defaults."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from sqlalchemy import URL

from core.errors import InputError
from core.photos.shot import Sides
from db.urls import database_url, is_file, sqlite_url
from storage.places import Bucket, file_uri, place_of

FILE = "meshmill.toml"
PREFIX = "MESHMILL_"

OTHERS = frozenset({"CATALOGUE", "DIRECTORY", "GALLERY_LOGIN", "GALLERY_TOKEN", "NIGHT", "RECIPE", "SCREENSHOTS"})
"""Variables with the prefix that are no settings: for prefect.yaml, the gallery and the tests."""

DAY = 86_400.0


def _home(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path holds no NUL character")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home of a user in {str(path)!r}") from error


def _database(url: str) -> str:
    database_url(url)
    return url


def _store(url: str) -> str:
    place = place_of(url)
    if "\0" in str(place):
        raise ValueError("a path holds no NUL character")
    return url


def _endpoint(url: str) -> str:
    """Scheme, host and port of an S3 server, and nothing else."""
    try:
        parts = urlsplit(url.strip())
        found = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        found = None
    if not found:
        raise ValueError("it looks like http://host:port or https://host")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("it is http://host:port alone: without keys, path or question mark")
    return f"{parts.scheme}://{parts.netloc}"


def _webhook(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://")
    return url


class Settings(BaseSettings):
    """Where things live and what they cost. Secrets are never printed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, toml_file=FILE, extra="forbid", frozen=True, allow_inf_nan=False
    )

    home: Annotated[Path, AfterValidator(_home)] = Field(
        Path(".meshmill"), description="Database, store and scratch files of the embedded mode"
    )
    database_url: Annotated[str, AfterValidator(_database)] | None = Field(
        None, description="sqlite:///FILE or postgresql://…; default: a file in the home"
    )
    store_url: Annotated[str, AfterValidator(_store)] | None = Field(
        None, description="file:///… or s3://bucket/prefix; default: a folder in the home"
    )
    s3_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        None, description="http://host:port of the S3 server"
    )
    s3_access_key: str | None = Field(None, description="Without it: AWS_*, a profile or a role, as AWS' tools do")
    s3_secret_key: SecretStr | None = None
    s3_session_token: SecretStr | None = Field(None, description="Of keys that somebody lent for a while")
    s3_region: str | None = None
    source_s3_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        None, description="http://host:port of the S3 server with the photos, where it is another than the store's"
    )
    source_s3_access_key: str | None = Field(None, description="Key of s3:// sources that may read them and no more")
    source_s3_secret_key: SecretStr | None = None
    source_s3_session_token: SecretStr | None = None
    source_s3_region: str | None = None
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models run")
    finish_workers: int = Field(1, ge=1, le=64, description="Processes that finish meshes beside the model's process")
    check_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of all stored objects that a night reads and compares, another each day",
    )
    lease_seconds: float = Field(60, gt=1, le=DAY, description="A worker that says nothing for so long has died")
    patience_seconds: float = Field(
        180,
        ge=0,
        le=7 * DAY,
        description="How long an outage of the S3 store or of PostgreSQL is waited out before assets fail",
    )
    stage_timeout: float = Field(
        3600, gt=0, le=30 * DAY, description="Hard limit of one stage in seconds; the process is killed"
    )
    gallery_url: Annotated[str, AfterValidator(_webhook)] | None = Field(
        None, description="Where people's browsers find the gallery: links on Prefect's pages lead there"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How log lines are written: for people, or one JSON a line"
    )
    left_side: Literal["viewer", "product"] = Field(
        "viewer", description="Whose left a photo named left shows: the viewer's, or the product's own"
    )
    turntable: Literal["right", "left"] = Field(
        "right", description="Which way the camera seems to move from frame to frame of a turntable"
    )
    language: Literal["auto", "en", "de"] = Field(
        "auto", description="Of reasons, for people; auto: the pages follow the browser, commands speak English"
    )
    cost_per_cpu_hour: float = Field(0.0, ge=0, description="Price of an hour of this machine's CPU")
    cost_per_gpu_hour: float = Field(0.0, ge=0, description="Price of an hour of one GPU")
    webhook_url: Annotated[str, AfterValidator(_webhook)] | None = Field(
        None, description="Told about assets that come to an end, people's decisions and runs; not redirected"
    )
    webhook_secret: SecretStr | None = Field(None, description="Signs webhooks (HMAC-SHA256)")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _keys_together(self) -> Settings:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("MESHMILL_S3_ACCESS_KEY and MESHMILL_S3_SECRET_KEY are set both or neither")
        if (self.source_s3_access_key is None) != (self.source_s3_secret_key is None):
            raise ValueError("MESHMILL_SOURCE_S3_ACCESS_KEY and MESHMILL_SOURCE_S3_SECRET_KEY are set both or neither")
        if self.s3_session_token is not None and self.s3_access_key is None:
            raise ValueError("MESHMILL_S3_SESSION_TOKEN goes with MESHMILL_S3_ACCESS_KEY")
        if self.source_s3_session_token is not None and self.source_s3_access_key is None:
            raise ValueError("MESHMILL_SOURCE_S3_SESSION_TOKEN goes with MESHMILL_SOURCE_S3_ACCESS_KEY")
        return self

    @property
    def home_path(self) -> Path:
        return self.home.absolute()

    @property
    def database(self) -> URL:
        return database_url(self.database_url) if self.database_url else sqlite_url(self.home_path / "meshmill.db")

    @property
    def sides(self) -> Sides:
        return Sides(self.left_side, self.turntable)

    @property
    def store(self) -> str:
        return self.store_url or file_uri(self.home_path / "store")

    @property
    def for_sources(self) -> Settings:
        """These settings with the endpoint, keys and region of sources in the store's places, where they are given."""
        own = {
            "s3_endpoint": self.source_s3_endpoint,
            "s3_access_key": self.source_s3_access_key,
            "s3_secret_key": self.source_s3_secret_key,
            "s3_region": self.source_s3_region,
        }
        given: dict[str, str | SecretStr | None] = {name: value for name, value in own.items() if value is not None}
        if self.source_s3_access_key is not None:  # the store's token says nothing of other keys
            given["s3_session_token"] = self.source_s3_session_token
        return self.model_copy(update=given)

    @property
    def database_patience(self) -> float:
        """Seconds; none for SQLite, whose file does not come back by waiting and which waits for locks itself."""
        return 0.0 if is_file(self.database) else self.patience_seconds

    @property
    def store_patience(self) -> float:
        """Seconds; none for a folder: a full disk is said at once."""
        return self.patience_seconds if isinstance(place_of(self.store), Bucket) else 0.0


def read_settings() -> Settings:
    """The settings of this process. Raises :class:`InputError` with a sentence that names what is wrong.

    A variable that is nearly one of ours is refused: with MESHMILL_STORE_URI a night would fill another store.
    """
    for name in unknown_variables():
        if close := get_close_matches(
            name.upper(), [PREFIX + field.upper() for field in Settings.model_fields], 1, 0.8
        ):
            raise InputError(f"The variable {name} is not known; is {close[0]} meant?")
    if Path(FILE).is_dir():  # what a container engine mounts where there was no file
        raise InputError(f"The settings file {Path(FILE).absolute()} is a folder.")
    try:
        return Settings()
    except ValidationError as error:
        problems = dict.fromkeys(
            _problem(str(e["loc"][0]) if e["loc"] else "", e["type"], e["msg"]) for e in error.errors()
        )
        raise InputError(f"The settings do not validate: {'; '.join(problems)}.") from error
    except (ValueError, OSError) as error:  # not TOML, not UTF-8, not a file
        raise InputError(f"The settings file {Path(FILE).absolute()} cannot be read: {error}.") from error


def _problem(name: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        close = get_close_matches(name.lower(), list(Settings.model_fields), 1, 0.6)
        return f"'{name}' in {FILE} is not known" + (f", is {close[0]} meant?" if close else "")
    said = message.removeprefix("Value error, ").rstrip(".")
    return f"{PREFIX}{name.upper()}: {said}" if name else said


def unknown_variables() -> list[str]:
    """Variables with our prefix that nothing here reads."""
    known = {field.upper() for field in Settings.model_fields} | OTHERS
    ours = (name for name in sorted(os.environ) if name.upper().startswith(PREFIX))
    return [n for n in ours if (rest := n.upper().removeprefix(PREFIX)) not in known and not rest.startswith("TEST_")]
