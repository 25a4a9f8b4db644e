"""Reasons in the reader's language: by the browser's wish, by setting, in commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from cli.assets import app as assets_command
from cli.show import app as show_command
from core.quality.reasons import Detail, reason, share
from db.engine import writing
from db.gallery import Filters
from db.tables import Asset
from gallery.app import create_app
from gallery.export import export
from gallery.language import language_of
from tasks.compute import plain
from tests.gallery.conftest import Shop

ENGLISH = "The product is in separate pieces."
GERMAN = "Das Produkt zerfällt in mehrere Teile."
REASONS = [
    plain(reason("separate_pieces", "blocks")),
    plain(reason("invented_surface", "affects", Detail(0.34), share=share(0.34))),
]


@pytest.fixture
def shop_with_reasons(shop: Shop) -> Shop:
    with writing(shop.engine) as session:
        asset = session.scalars(select(Asset).where(Asset.id == shop.ids[1])).one()
        asset.reason, asset.reasons = ENGLISH, REASONS
    return shop


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,en;q=0.5,de;q=0.4", "en"),
        ("en;q=0.2, DE ; q=0.7", "de"),
        ("fr, it", "en"),
        ("de;q=0", "en"),
        ("de;q=x,*", "en"),
        (";;,,q=1", "en"),
    ],
)
def test_the_browser_s_best_language_that_there_is(accepted: str | None, language: str) -> None:
    assert language_of(accepted) == language
    assert language_of(accepted, "de") == "de"


def test_pages_speak_the_browser_s_language_or_the_set_one(shop_with_reasons: Shop, tmp_path: Path) -> None:
    shop = shop_with_reasons
    client = TestClient(create_app(shop.engine, shop.store), base_url="http://127.0.0.1")
    for page in ("/", f"/assets/{shop.ids[1]}"):
        german = client.get(page, headers={"Accept-Language": "de-DE,en;q=0.5"}).text
        assert GERMAN in german
        assert ENGLISH not in german
        assert 'lang="de"' in german
        english = client.get(page, headers={"Accept-Language": "fr"}).text
        assert ENGLISH in english
        assert GERMAN not in english
    assert "Etwa ein Drittel der Oberfläche ist erfunden" in german
    fixed = TestClient(create_app(shop.engine, shop.store, language="de"), base_url="http://127.0.0.1")
    assert GERMAN in fixed.get("/", headers={"Accept-Language": "en"}).text
    export(shop.engine, shop.store, tmp_path / "site", Filters(), "de")
    assert GERMAN in (tmp_path / "site" / "index.html").read_text("utf-8")


def test_commands_speak_the_set_language_and_json_stays(
    shop_with_reasons: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHMILL_DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    monkeypatch.setenv("MESHMILL_STORE_URL", f"file://{tmp_path / 'store'}")
    monkeypatch.setenv("COLUMNS", "200")
    asset = shop_with_reasons.ids[1]
    assert ENGLISH in CliRunner().invoke(show_command, [asset]).stdout
    monkeypatch.setenv("MESHMILL_LANGUAGE", "de")
    assert GERMAN in CliRunner().invoke(show_command, [asset]).stdout
    assert GERMAN in CliRunner().invoke(assets_command, ["--long"]).stdout
    assert ENGLISH in CliRunner().invoke(assets_command, ["--json"]).stdout
