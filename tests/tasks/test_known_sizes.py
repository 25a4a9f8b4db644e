"""Size, front and what the reading of a source said, from the catalogue to everywhere people and programs look."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from test_forecast import put
from test_run_stage import Shop, shop, small_shop  # noqa: F401 - the fixtures

from cli.show import _print_tree
from core.quality.reasons import reason, text_of
from core.records import to_json
from db import assets
from db.finished import finished_assets
from db.lineage import lineage
from db.runs import outcome
from flows.report import sizes_in_words
from flows.run import summary
from gallery.pages import _reasons
from tasks.build import add_result, build_ahead
from tasks.factory import Factory
from tasks.ingest import ingest_source
from tasks.models import models_of
from tasks.plan import begin_run, plan_catalogue

TABLE = """sku;photo;width;azimuth
known;a_1.png;30;-90
unknown;b_1.png;;
"""


def build(shop: Shop, factory: Factory) -> str:  # noqa: F811
    recipe = shop.recipe()
    models = models_of(factory, recipe)
    source = shop.photos / "table.csv"
    catalogue, _ = ingest_source(factory, str(source if source.exists() else shop.photos))
    run_id = begin_run(factory, catalogue, recipe)
    plan = plan_catalogue(factory, catalogue, recipe, models, run_id=run_id)
    build_ahead(factory, plan.build, models, lambda: False)
    return run_id


def about(factory: Factory, asset_id: str) -> dict[str, object]:
    finish = next(s for s in to_json(lineage(factory.engine, asset_id))["stages"] if s["stage"] == "finish")
    found: dict[str, object] = finish["parameters"]["about"]
    return found


def test_an_unknown_size_is_said_everywhere(shop: Shop) -> None:  # noqa: F811
    put(shop.photos, "a_1.png", "b_1.png")
    (shop.photos / "table.csv").write_text(TABLE)
    factory = shop.factory()
    run_id = build(shop, factory)
    rows = assets.list_assets(factory.engine)
    assert {row.sku: row.size_known for row in rows} == {"known": True, "unknown": False}
    assert {row.sku: [told["code"] for told in row.reasons] for row in rows} == {
        "known": [],
        "unknown": ["size_unknown"],
    }
    assert {row.sku: row.reason for row in rows} == {"known": None, "unknown": None}, "no complaint about the asset"
    assert {row.sku: row.size_known for row in finished_assets(factory.engine)} == {"known": True, "unknown": False}
    assert summary(run_id, rows, (), 1.0, None).size_unknown == 1
    assert outcome(factory.engine, run_id).size_unknown == 1
    assert "height_cm" in (sizes_in_words(1) or "")
    assert sizes_in_words(0) is None
    shown = to_json(lineage(factory.engine, next(row.asset_id for row in rows if row.sku == "unknown")))
    assert "real size is not known" in str(_reasons(shown)), "the page has it"


def test_size_and_front_go_into_the_file_and_into_its_keys(small_shop: Shop) -> None:  # noqa: F811
    put(small_shop.photos, "a_1.png", "b_1.png")
    table = small_shop.photos / "table.csv"
    table.write_text(TABLE)
    factory = small_shop.factory()
    build(small_shop, factory)
    ids = {row.sku: row.asset_id for row in assets.list_assets(factory.engine)}
    assert {k: v for k, v in about(factory, ids["known"]).items() if k in ("width_cm", "azimuth", "height_cm")} == {
        "width_cm": 30.0,
        "azimuth": -90.0,
    }
    assert not {"width_cm", "azimuth"} & set(about(factory, ids["unknown"]))
    small_shop.computed()
    table.write_text(TABLE.replace("b_1.png;;", "b_1.png;;180"))
    build(small_shop, factory)
    assert small_shop.computed() == {"finish": 1, "assess": 1}, "a front is known now: the file is written anew"


def test_what_lies_beside_a_photo_is_said_with_its_asset(
    small_shop: Shop,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(small_shop.photos, "A1_front.png", "A1_detail.png")
    (small_shop.photos / "A1_front.psd").write_bytes(b"8BPS")
    (small_shop.photos / "A1_back.png").write_bytes(b"")
    factory = small_shop.factory()
    build(small_shop, factory)
    (row,) = assets.list_assets(factory.engine)
    notes = [told["message"] for told in row.reported().reasons if told["code"] == "photos_beside"]
    assert [note.split(" is ")[0] for note in sorted(notes)] == ["A1_back.png", "A1_front.psd"]
    record = to_json(lineage(factory.engine, row.asset_id))
    shots = {shot["uri"].rsplit("/", 1)[-1]: (shot["role"], shot["use"]) for shot in record["shots"]}
    assert shots == {
        "A1_front.png": ("front", "main"),
        "A1_detail.png": ("detail", "record"),
        "A1_back.png": ("back", "unreadable"),
        "A1_front.psd": ("front", "unreadable"),
    }
    assert record["shots"][0]["azimuth"] == 0
    assert "A1_back.png is empty" in str(_reasons(record)), "the page has it"
    _print_tree(lineage(factory.engine, row.asset_id))
    printed = " ".join(capsys.readouterr().out.split())
    assert "shot A1_detail.png: detail, not used. It shows a detail: kept" in printed
    assert "A1_back.png is empty" in printed


@pytest.mark.parametrize(
    ("verdict", "codes", "first"),
    [
        ("review", ["bold_print"], "needs_a_look"),
        ("review", ["bold_print", "leaning"], "leaning"),
        ("finished", ["bold_print"], "bold_print"),
    ],
)
def test_a_difficult_product_is_never_why_somebody_must_look(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    codes: list[str],
    first: str,
) -> None:
    put(small_shop.photos, "a_1.png")
    found = [reason(code, "note" if code == "bold_print" else "blocks") for code in codes]
    assessed = {"verdict": verdict, "score": 0.4, "metrics": {}, "reasons": [asdict(item) for item in found]}
    monkeypatch.setattr(
        "tasks.build.add_result",
        lambda state, stage, result: (
            add_result(state, stage, result),
            state.figures.update({"assess": assessed} if stage == "assess" else {}),
        ),
    )
    factory = small_shop.factory()
    build(small_shop, factory)
    (row,) = assets.list_assets(factory.engine)
    assert row.status == verdict
    assert row.reasons[0]["code"] == first
    assert row.reason == (None if verdict == "finished" else text_of(first)[0])
