"""What a person mends holds for every night from then on, until the shop sends something new; each is a version."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine, select
from test_run_stage import Shop, small_shop  # noqa: F401 - the fixture

from core.artifacts import Cutout
from core.errors import InputError, InvalidRecipe, NotFound
from core.photos import PhotoLimits, read_photo
from core.recipes import overridden
from core.records import to_json
from db import assets, mends, planning
from db.engine import writing
from db.lineage import lineage
from db.tables import RecipeRow
from tasks.build import build_ahead
from tasks.chosen import Recipes, as_stored
from tasks.factory import Factory
from tasks.forecast import forecast
from tasks.ingest import ingest_source
from tasks.mending import mask_of, next_version, photo_of, use_mask, use_upload
from tasks.models import models_of
from tasks.plan import Plan, begin_run, plan_catalogue, plan_with_changes


def photo(color: str, side: int = 200) -> bytes:
    """A square on white."""
    image = Image.new("RGB", (side, side), "white")
    image.paste(color, (60, 60, 140, 140))
    return png(image)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def night(shop: Shop, factory: Factory) -> Plan:
    """Read the folder and build what is new."""
    recipe = shop.recipe()
    models = models_of(factory, recipe)
    catalogue, _ = ingest_source(factory, str(shop.photos))
    plan = plan_catalogue(factory, catalogue, recipe, models, run_id=begin_run(factory, catalogue, recipe))
    build_ahead(factory, plan.build, models, lambda: False)
    return plan


def build(factory: Factory, asset_id: str) -> None:
    from core.recipes import Recipe

    recipe = Recipe.model_validate(assets.job(factory.engine, asset_id).parameters)
    build_ahead(factory, [asset_id], models_of(factory, recipe), lambda: False)


def candidate(engine: Engine, asset_id: str) -> planning.Candidate:
    (found,) = planning.candidates_by_id(engine, [mends.product_of(engine, asset_id)])
    return found


@pytest.fixture
def made(small_shop: Shop) -> tuple[Shop, Factory, str]:  # noqa: F811
    factory = small_shop.factory()
    (small_shop.photos / "mug.png").write_bytes(photo("red"))
    (asset_id,) = night(small_shop, factory).build
    return small_shop, factory, asset_id


def test_a_size_makes_a_version_that_every_later_night_keeps(made: tuple[Shop, Factory, str]) -> None:
    shop, factory, first = made
    mends.mend(factory.engine, mends.product_of(factory.engine, first), "Ann", {"height_cm": 12.5})
    second = next_version(factory, first)
    assert second != first
    shop.computed()
    build(factory, second)
    assert set(shop.computed()) <= {"finish", "assess"}, "nothing before the finish depends on the size"
    rows = {row.asset_id: row for row in assets.list_assets(factory.engine)}
    assert rows[second].status == "finished"
    assert rows[second].size_known
    assert night(shop, factory).build == ()


@pytest.mark.parametrize("how", ["mask", "upload"])
def test_a_painted_cutout_or_a_better_photo_is_built_from_until_the_shop_sends_another(
    made: tuple[Shop, Factory, str], how: str
) -> None:
    shop, factory, first = made
    if how == "mask":
        painted = Image.new("L", (50, 50), 0)
        painted.paste(255, (10, 10, 40, 40))
        use_mask(factory, first, png(painted), "Ann")
    else:
        use_upload(factory, first, photo("blue"), "Ann")
    second = next_version(factory, first)
    before, now = (assets.job(factory.engine, name).candidate for name in (first, second))
    assert now.photo_sha256 != before.photo_sha256
    shop.computed()
    build(factory, second)
    assert "segment" in shop.computed(), "the stage's key knows it"
    assert to_json(lineage(factory.engine, second))["status"] == "finished"
    assert night(shop, factory).build == (), "the catalogue has not changed, so what the person said holds"
    (shop.photos / "mug.png").write_bytes(photo("green"))
    (third,) = night(shop, factory).build
    assert assets.job(factory.engine, third).candidate.photo_sha256 not in (now.photo_sha256, before.photo_sha256)


def test_what_was_painted_is_what_is_cut_out(made: tuple[Shop, Factory, str]) -> None:
    """By the real reader: white is kept, black left out, whatever the mask's size."""
    _, factory, first = made
    painted = Image.new("L", (100, 100), 0)
    painted.paste(255, (25, 25, 75, 75))
    use_mask(factory, first, png(painted), "Ann")
    sha256 = candidate(factory.engine, first).photo_sha256
    data = Path(factory.store.uri(f"objects/{sha256[:2]}/{sha256}").removeprefix("file://")).read_bytes()
    read = read_photo(data, PhotoLimits())
    assert read.has_alpha
    alpha = read.rgba[..., 3]
    assert alpha[55:145, 55:145].min() > 250
    assert alpha[:45].max() < 5
    assert alpha[:, 155:].max() < 5


def test_the_brush_begins_with_the_cutout_as_it_is(
    made: tuple[Shop, Factory, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, factory, first = made
    assert photo_of(factory, first).size == (200, 200)
    rgba = np.zeros((512, 512, 4), np.uint8)
    rgba[128:384, 128:384] = 255
    cutout = Cutout(rgba, (0, 0, 200, 200), "test", 1.0, ())
    monkeypatch.setattr("tasks.mending.load", _loads(cutout.to_bytes(), photo("red")))
    mask = np.asarray(mask_of(factory, first))
    assert mask.shape == (200, 200)
    assert mask[60:140, 60:140].min() > 250
    assert mask[:40].max() < 5


def _loads(cutout: bytes, source: bytes) -> Callable[..., bytes]:
    return lambda _factory, stored: cutout if stored.kind == "cutout" else source


def test_another_photo_of_the_product_and_its_side(small_shop: Shop) -> None:  # noqa: F811
    factory = small_shop.factory()
    (small_shop.photos / "mug_front.png").write_bytes(photo("red"))
    (small_shop.photos / "mug_back.png").write_bytes(photo("blue"))
    (first,) = night(small_shop, factory).build
    product = mends.product_of(factory.engine, first)
    front, back = mends.photos_of(factory.engine, product)
    assert (front.role, back.role) == ("front", "back")
    assert [p.sha256 for p in candidate(factory.engine, first).further] == [back.sha256]
    mends.choose_photo(factory.engine, product, back.id, "Ann")
    chosen = candidate(factory.engine, first)
    assert chosen.photo_id == back.id
    assert chosen.azimuth == back.azimuth == 180
    assert next_version(factory, first) != first
    with pytest.raises(NotFound):
        mends.choose_photo(factory.engine, product, 99_999, "Ann")


def test_other_settings_make_a_version_and_the_same_ones_try_again(made: tuple[Shop, Factory, str]) -> None:
    _, factory, first = made
    assert next_version(factory, first) == first
    other = next_version(factory, first, None, ["seed=7"])
    assert other != first
    assert assets.job(factory.engine, other).parameters["seed"] == 7
    with pytest.raises(InputError):
        next_version(factory, first, None, ["views.nothing=1"])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", photo("red", 30)])
def test_what_is_no_photo_is_refused_and_changes_nothing(made: tuple[Shop, Factory, str], data: bytes) -> None:
    _, factory, first = made
    before = candidate(factory.engine, first)
    with pytest.raises(InputError):
        use_upload(factory, first, data, "Ann")
    if len(data) < 20:
        with pytest.raises(InputError):
            use_mask(factory, first, data, "Ann")
    assert candidate(factory.engine, first) == before


def test_chosen_settings_hold_on_later_nights_until_the_shop_sends_another_photo(
    made: tuple[Shop, Factory, str],
) -> None:
    shop, factory, first = made
    second = next_version(factory, first, None, ["seed=7"], "Ann")
    build(factory, second)
    plan = night(shop, factory)
    assert plan == Plan((), (second,)), "the night does not undo what Ann chose"
    assert {row.asset_id: row.status for row in assets.list_assets(factory.engine)}[second] == "finished"
    third = next_version(factory, second, None, ["views.eta=0.5"], "Bob")
    build(factory, third)
    parameters = assets.job(factory.engine, third).parameters
    assert (parameters["seed"], parameters["views"]["eta"]) == (7, 0.5)
    assert night(shop, factory) == Plan((), (third,))
    (shop.photos / "mug.png").write_bytes(photo("green"))
    (fourth,) = night(shop, factory).build
    assert assets.job(factory.engine, fourth).parameters["seed"] == 0


def test_settings_stay_with_a_product_whose_photo_a_person_changes(made: tuple[Shop, Factory, str]) -> None:
    shop, factory, first = made
    second = next_version(factory, first, None, ["seed=7"], "Ann")
    build(factory, second)
    use_upload(factory, second, photo("blue"), "Ann")
    third = next_version(factory, second, by="Ann")
    build(factory, third)
    assert assets.job(factory.engine, third).parameters["seed"] == 7
    assert night(shop, factory) == Plan((), (third,))


def test_retried_settings_hold_too_and_the_plan_says_so(made: tuple[Shop, Factory, str]) -> None:
    shop, factory, first = made
    (second,) = plan_with_changes(factory, [first], None, ["seed=3"]).build
    build(factory, second)
    (product,) = forecast(factory, str(shop.photos), shop.recipe()).products
    assert product.action == "reuse"
    assert night(shop, factory) == Plan((), (second,))


def test_a_chosen_recipe_that_the_night_may_not_use_is_left_out(
    made: tuple[Shop, Factory, str], caplog: pytest.LogCaptureFixture
) -> None:
    shop, factory, first = made
    stored = as_stored(candidate(factory.engine, first).photo_sha256, "gone", [])
    mends.mend(factory.engine, mends.product_of(factory.engine, first), "Ann", {"settings": stored})
    assert night(shop, factory) == Plan((), (first,))
    assert "left out" in caplog.text
    overrides = as_stored(candidate(factory.engine, first).photo_sha256, None, ["policy=any"])
    mends.mend(factory.engine, mends.product_of(factory.engine, first), "Ann", {"settings": overrides})
    recipe = overridden(shop.recipe(), ["policy=commercial"])
    chosen = Recipes(factory, recipe, models_of(factory, shop.recipe())).of(candidate(factory.engine, first))
    assert chosen.recipe.policy == "commercial"


def test_an_asset_of_another_version_is_mended_by_a_recipe_s_name(made: tuple[Shop, Factory, str]) -> None:
    _, factory, first = made
    with writing(factory.engine) as session:
        row = session.scalars(select(RecipeRow)).one()
        row.parameters = row.parameters | {"quality": {"weights": {"a_check_of_yesterday": 1.0}}}
    with pytest.raises(InvalidRecipe, match="by name"):
        next_version(factory, first)
    assert next_version(factory, first, "preview") != first
