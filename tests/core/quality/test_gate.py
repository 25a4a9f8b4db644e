"""The gate on assets whose faults are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.errors import InvalidRecipe
from core.mesh.gltf import write_glb
from core.mesh.values import Model
from core.quality import QualityParams, assess
from core.quality.checks import EVIDENCE, NOTES, SEVERAL, VETOES, VISIBLE
from core.quality.features import convexity, photo_difficulty, views_against_photo
from core.quality.gate import combine, ramp, verdict, vetoes
from core.quality.measurement import fitted, geometry, mask_health, picture_of
from core.recipes import load_recipe
from core.reports import FinishReport, PlacementReport

CONDITION = Camera(0, 20)
RING = tuple(Camera(azimuth, 20) for azimuth in range(0, 360, 60))
NOTHING = FinishReport()
PARAMS = QualityParams()


def bumpy(squash: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A closed, coloured, asymmetric solid; ``squash`` flattens it along z."""
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    vertices = np.asarray(mesh.vertices) * [1, 0.8, 0.6 * squash]
    vertices[:, 0] += 0.15 * np.sin(6 * vertices[:, 1])
    checks = (np.floor(vertices * 8).astype(int).sum(1) % 2).astype(np.uint8)
    colors = np.stack([80 + 120 * checks, 60 + 20 * checks, 180 - 120 * checks], -1).astype(np.uint8)
    return vertices, np.asarray(mesh.faces, np.int64), colors


def glb_of(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> bytes:
    normals = np.tile(np.array([0, 1, 0], np.float32), (len(vertices), 1))
    return write_glb(Model(vertices.astype(np.float32), normals, faces, colors=colors), "test")


def evidence_of(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> tuple[Cutout, ViewSet]:
    """The cutout and views that a perfect pipeline would have had of the mesh."""
    world = fitted(vertices, faces, framed_mask(), CONDITION)
    picture, alpha = picture_of(world, faces, CONDITION, 512, {"colors": colors})
    rgba = np.dstack([np.where(alpha[..., None] > 0, picture, 255), alpha]).astype(np.uint8)
    views = np.stack([picture_of(world, faces, camera, 128, {"colors": colors})[0] for camera in RING])
    return Cutout(rgba, (0, 0, 512, 512), "alpha"), ViewSet(views, RING, CONDITION)


def framed_mask() -> np.ndarray:
    mask = np.zeros((512, 512), bool)
    mask[56:456, 56:456] = True
    return mask


@pytest.fixture(scope="module")
def perfect() -> tuple[Cutout, ViewSet, bytes]:
    return *evidence_of(*bumpy()), glb_of(*bumpy())


def test_a_perfect_asset_is_finished_without_reasons(perfect: tuple[Cutout, ViewSet, bytes]):
    judged = assess(*perfect, NOTHING, PARAMS)
    assert judged.verdict == "finished"
    assert judged.score > PARAMS.finished + 0.05
    assert judged.metrics["input_mask_iou"] > 0.98
    assert judged.metrics["views_mask_iou"] > 0.95
    assert all(reason.severity == "note" for reason in judged.reasons), "a finished asset shows no complaint"


def test_the_judgement_is_deterministic(perfect: tuple[Cutout, ViewSet, bytes]):
    assert assess(*perfect, NOTHING, PARAMS) == assess(*perfect, NOTHING, PARAMS)


def test_a_flat_asset_is_worse_and_says_which_side(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, good = perfect
    flat = assess(cutout, views, glb_of(*bumpy(0.1)), NOTHING, PARAMS)
    assert flat.score < assess(cutout, views, good, NOTHING, PARAMS).score - 0.05
    assert flat.metrics["views_mask_iou"] < 0.8
    thin = assess(cutout, views, glb_of(*bumpy(0.02)), NOTHING, PARAMS)
    assert (thin.verdict, thin.reasons[0].code) == ("failed", "flat_shape")
    assert all(reason.message.endswith(".") for reason in flat.reasons)


def test_wrong_colours_lower_the_score(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, _ = perfect
    vertices, faces, colors = bumpy()
    wrong = assess(cutout, views, glb_of(vertices, faces, 255 - colors), NOTHING, PARAMS)
    assert wrong.score < assess(*perfect, NOTHING, PARAMS).score - 0.05
    assert {"front_colours", "side_colours"} & {reason.code for reason in wrong.reasons}


def test_placement_of_the_report_is_undone(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, _ = perfect
    vertices, faces, colors = bumpy()
    world = fitted(vertices, faces, framed_mask(), CONDITION)
    offset, scale = np.array([0.1, 0.4, -0.2]), 0.03
    moved = glb_of((world + offset) * scale, faces, colors)
    judged = assess(
        cutout, views, moved, FinishReport(placement=PlacementReport(scale=scale, offset=offset.tolist())), PARAMS
    )
    assert judged.metrics["input_mask_iou"] > 0.98


def test_an_unreadable_glb_fails_with_a_sentence(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, good = perfect
    for broken in (b"", b"not a glb", good[: len(good) // 2]):
        judged = assess(cutout, views, broken, NOTHING, PARAMS)
        assert (judged.score, judged.verdict) == (0.0, "failed")
        assert [reason.code for reason in judged.reasons] == ["unreadable_file"]


def test_a_bug_in_the_gate_is_no_fault_of_the_glb(
    perfect: tuple[Cutout, ViewSet, bytes], monkeypatch: pytest.MonkeyPatch
):
    """It was "the GLB cannot be judged: 'placement'", a failed asset and no traceback."""
    cutout, views, good = perfect
    for error in (KeyError("placement"), ValueError("shapes do not fit"), IndexError("out of range")):

        def broken(*_: object, error: Exception = error) -> dict[str, float]:
            raise error

        monkeypatch.setattr("core.quality.measurement.geometry", broken)
        with pytest.raises(type(error)):
            assess(cutout, views, good, NOTHING, PARAMS)


def test_warnings_of_the_photo_are_reasons(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, good = perfect
    judged = assess(replace(cutout, warnings=("The object is cropped.",)), views, good, NOTHING, PARAMS)
    assert "The object is cropped." in [reason.message for reason in judged.reasons]


def test_no_views_leaves_their_checks_out(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, good = perfect
    judged = assess(cutout, replace(views, images=views.images[:0], cameras=()), good, NOTHING, PARAMS)
    assert not {name for name in judged.metrics if name.startswith("views_")}
    assert judged.verdict != "failed"


def test_ramps():
    check = next(check for check in VETOES if check.metric == "soft_edge")
    assert ramp(check.bad, check) == 0.0
    assert ramp(check.good, check) == 1.0
    assert ramp((check.bad + check.good) / 2, check) == pytest.approx(0.5)
    assert ramp(10.0, check) == 0.0
    for checks in (EVIDENCE + VETOES + VISIBLE + NOTES, SEVERAL + VETOES + VISIBLE + NOTES):
        assert len({check.metric for check in checks}) == len(checks)


def test_the_score_is_the_weighted_mean_between_low_and_high_times_the_vetoes():
    params = QualityParams(weights={"views_psnr": 1, "compactness": 3}, low=0.2, high=0.8)
    best, worst = {"views_psnr": 40.0, "compactness": 1.0}, {"views_psnr": 0.0, "compactness": 0.0}
    assert combine(best, params) == pytest.approx(0.8)
    assert combine(worst, params) == pytest.approx(0.2)
    assert combine(best | {"views_psnr": 0.0}, params) == pytest.approx(0.2 + 0.6 * 3 / 4)
    assert combine({"views_psnr": 40.0}, params) == pytest.approx(0.8), "what was not measured does not count"
    assert combine({}, params) == 0.0
    assert combine(best | {"closed": 0.0}, params) == pytest.approx(0.8 * 0.02)
    assert vetoes({"closed": 1.0, "box_fill": 0.3}) == 1.0


def test_an_asset_of_several_photos_has_a_formula_of_its_own():
    params = QualityParams(
        weights={"views_psnr": 1},
        several_weights={"views_psnr": 1, "left_out_outline": 3},
        several_low=0.2,
        several_high=0.8,
    )
    metrics = {"views_psnr": 40.0, "left_out_outline": 0.0, "photos": 4.0}
    assert combine(metrics, params) == pytest.approx(0.2 + 0.6 / 4)
    assert combine(metrics | {"left_out_outline": 1.0}, params) == pytest.approx(0.8)
    assert combine(metrics | {"photos": 1.0}, params) == pytest.approx(params.high), "one photo foretells nothing"


def test_a_visible_fault_leaves_the_score_and_takes_the_verdict(
    perfect: tuple[Cutout, ViewSet, bytes], monkeypatch: pytest.MonkeyPatch
):
    """It was multiplied into the score, which then ordered leaning assets as if all else were bad, too."""
    metrics = {"views_psnr": 40.0, "lean": 25.0}
    assert combine(metrics, PARAMS) == combine(metrics | {"lean": 0.0}, PARAMS)
    upright = assess(*perfect, NOTHING, PARAMS)
    monkeypatch.setattr("core.quality.measurement.lean", lambda world: 25.0)
    leaning = assess(*perfect, NOTHING, PARAMS)
    assert (upright.verdict, leaning.verdict) == ("finished", "review")
    assert leaning.score == upright.score
    assert leaning.reasons[0].code == "leaning"
    assert assess(*perfect, NOTHING, QualityParams(finished=0)).verdict == "finished", "0 publishes all"


def test_a_recipe_names_only_checks_that_exist():
    with pytest.raises(InvalidRecipe, match="no check called beauty"):
        load_recipe("starter", ['quality.weights={"beauty": 1}'])
    with pytest.raises(InvalidRecipe, match="at least one check"):
        load_recipe("starter", ["quality.weights={}"])


def test_thresholds_of_the_recipe_decide():
    params = QualityParams(finished=0.8, review=0.5)
    assert [verdict(score, params) for score in (0.8, 0.79, 0.5, 0.49)] == ["finished", "review", "review", "failed"]


def test_notes_stand_behind_what_counts_and_move_no_score(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, good = perfect
    plain = assess(cutout, views, good, NOTHING, PARAMS)
    unsure = assess(replace(cutout, confidence=0.3), views, glb_of(*bumpy(0.02)), NOTHING, PARAMS)
    assert assess(replace(cutout, confidence=0.3), views, good, NOTHING, PARAMS).score == plain.score
    codes = [reason.code for reason in unsure.reasons]
    assert "uncertain_edge" in codes
    assert codes[0] == "flat_shape"
    order = [("blocks", "affects", "note").index(reason.severity) for reason in unsure.reasons]
    assert order == sorted(order)


def test_hollows_branches_and_busy_patterns_are_seen():
    import trimesh

    box = trimesh.creation.box((1, 1, 1))
    star = trimesh.util.concatenate([trimesh.creation.box(size) for size in np.eye(3) * 0.9 + 0.1])
    for mesh, expected in ((box, 1.0), (star, star.volume / star.convex_hull.volume)):
        measured = geometry(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64))
        assert measured["solidity"] == pytest.approx(expected, abs=1e-6)
    disc = np.hypot(*np.mgrid[-40:40, -40:40]) < 30
    assert convexity(disc) > 0.95
    ring = disc & (np.hypot(*np.mgrid[-40:40, -40:40]) > 20)
    assert convexity(ring) == pytest.approx(ring.sum() / disc.sum(), abs=0.03)
    assert convexity(np.zeros((8, 8), bool)) == 0
    rgba = np.full((512, 512, 4), 128, np.uint8)
    rgba[..., 3] = 0
    rgba[128:384, 128:384, 3] = 255
    calm = photo_difficulty(Cutout(rgba, (0, 0, 1, 1), "test"))
    rgba[np.arange(512) // 48 % 2 == 0, :, :3] = 0
    assert photo_difficulty(Cutout(rgba, (0, 0, 1, 1), "test"))["misplaced"] < calm["misplaced"] - 1
    assert photo_difficulty(Cutout(rgba * 0, (0, 0, 1, 1), "test"))["convexity"] == 0


def test_views_of_another_product_contradict_the_photo(perfect: tuple[Cutout, ViewSet, bytes]):
    cutout, views, _ = perfect
    same = views_against_photo(cutout, views)
    assert same["nearest_view_iou"] > 0.95
    assert same["views_in_outline"] > 0.95
    other = views_against_photo(cutout, replace(views, images=np.roll(views.images, 24, 1)))
    assert other["nearest_view_iou"] < same["nearest_view_iou"] - 0.1
    assert other["views_in_outline"] < same["views_in_outline"] - 0.1
    assert views_against_photo(cutout, replace(views, images=views.images[:0], cameras=())) == {}


def test_geometry_counts_parts_and_holes():
    import trimesh

    one = trimesh.creation.box((1, 1, 1))
    two = trimesh.util.concatenate([one, trimesh.creation.box((0.5, 1, 1)).apply_translation([3, 0, 0])])
    whole = geometry(np.asarray(two.vertices, float), np.asarray(two.faces, np.int64))
    assert (whole["parts"], whole["closed"]) == (2, 1.0)
    assert whole["largest_part"] == pytest.approx(2 / 3)
    opened = geometry(np.asarray(one.vertices, float), np.asarray(one.faces[1:], np.int64))
    assert opened["closed"] == 0.0


def test_mask_health_sees_strays_holes_and_soft_edges():
    rgba = np.zeros((512, 512, 4), np.uint8)
    rgba[100:200, 100:200, 3] = 255
    rgba[140:160, 140:160, 3] = 0
    rgba[300:320, 300:400, 3] = 255
    rgba[400:410, 0:96, 3] = 100
    health = mask_health(Cutout(rgba, (0, 0, 1, 1), "test", 0.7))
    area = 10_000 - 400 + 2000
    assert health["stray_share"] == pytest.approx(2000 / area)
    assert health["hole_share"] == pytest.approx(400 / area)
    assert health["soft_edge"] == pytest.approx(960 / area)
    assert health["cutout_confidence"] == 0.7
