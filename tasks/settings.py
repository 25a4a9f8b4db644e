"""Settings: `MESHMILL_*` variables, else `meshmill.toml` in the working folder, else the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


class Settings(BaseSettings):
    """Where things live and what they cost. Secrets are never printed."""

    model_config = SettingsConfigDict(env_prefix="MESHMILL_", toml_file="meshmill.toml", extra="ignore", frozen=True)

    home: Path = Field(Path(".meshmill"), description="Database, store and scratch files of the embedded mode")
    database_url: str | None = Field(None, description="sqlite:///FILE or postgresql://…; default: a file in the home")
    store_url: str | None = Field(None, description="file://… or s3://bucket/prefix; default: a folder in the home")
    s3_endpoint: str | None = Field(None, description="http://host:port of the S3 server")
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str | None = None
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models run")
    finish_workers: int = Field(1, ge=1, le=64, description="Processes that finish meshes beside the model's process")
    lease_seconds: float = Field(60, gt=1, description="A worker that says nothing for so long has died")
    patience_seconds: float = Field(
        180, ge=0, description="How long an outage of the S3 store or of PostgreSQL is waited out before assets fail"
    )
    stage_timeout: float = Field(3600, gt=0, description="Hard limit of one stage in seconds; the process is killed")
    cost_per_cpu_hour: float = Field(0.0, ge=0, description="Price of an hour of this machine's CPU")
    cost_per_gpu_hour: float = Field(0.0, ge=0, description="Price of an hour of one GPU")
    webhook_url: str | None = Field(None, description="Told about finished and failed assets and ended runs")
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

    @property
    def home_path(self) -> Path:
        return self.home.expanduser().absolute()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home_path / 'meshmill.db'}"

    @property
    def store(self) -> str:
        return self.store_url or f"file://{self.home_path / 'store'}"

    @property
    def database_patience(self) -> float:
        """Seconds; none for SQLite, whose file does not come back by waiting and which waits for locks itself."""
        return 0.0 if self.database.startswith("sqlite") else self.patience_seconds

    @property
    def store_patience(self) -> float:
        """Seconds; none for a folder: a full disk is said at once."""
        return self.patience_seconds if self.store.startswith("s3:") else 0.0
