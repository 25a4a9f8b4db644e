"""The table of stages: it hangs together, and keys are what they were before there was a table."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.recipes import Recipe
from tasks import compute
from tasks.keys import stage_key, stage_parameters
from tasks.stages import STAGE, STAGES, Stage

KEYS_BEFORE_THE_TABLE = {
    "segment": "dc38d383be619321222044195b4a48a3ade0daf36469acbd123792436e89506c",
    "align": "9458718d0f7d233fc5bd414daddd23d5a55a42f0848c3b61e4038fe4a110c775",
    "recolour": "95855a40dc3d5e9d474ac097bc7eb01c4f7100ef41cb5ac6274fef97bbc2116e",
    "views": "b06dd6eb593df2a56d287428573bd06f5153d86057e90dae868fbb5f5a8e2ab1",
    "reconstruct": "63976293b288894f9eecd869323a62044e576dd466fdb06b633aaa97200935fc",
    "mesh": "ef011e1c871eeddeecfad71ee008032fd84f78544dcee584ea3c8d3bdc78cc43",
    "finish": "5d0ff2d7936ab2909818c66cfb738551d355e76d0000450f016c0e73b921e76b",
    "assess": "31d323090fa91fea520ef6c03ec4ad85fc6868c3d316b68351ba9bf6e504e46e",
}
"""Of the inputs below, with every stage at version 1, by the code that had no table."""


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_a_stage_key_is_what_it_was(stage: Stage) -> None:
    tree = stage_parameters(
        stage.name,
        {kind: f"sha256 of {kind}" for kind in stage.inputs},
        {"size": 512},
        7 if stage.seeded else None,
        {stage.weights: "sha256 of weights"} if stage.weights else {},
        {"sku": "mug"} if stage.about else {},
    )
    assert stage_key(tree | {"version": 1}) == KEYS_BEFORE_THE_TABLE[stage.name]


def test_a_stage_reads_only_what_stages_before_it_make() -> None:
    made = {"photo"}
    for stage in STAGES:
        assert made.issuperset(stage.inputs), f"{stage.name} reads what nothing before it makes"
        made.update(stage.outputs)


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_what_the_table_names_is_there(stage: Stage) -> None:
    assert stage.name in compute.COMPUTED
    params = stage.params_of(Recipe())
    assert stage.params.model_validate(params).model_dump(mode="json") == params
    assert stage.weights_parameter is None or stage.weights_parameter in params
    assert {rung.parameter for rung in stage.ladder} <= set(params)


def test_a_ladder_halves_whole_numbers_down_to_their_floors() -> None:
    views = STAGE["views"]
    assert [views.step_down({"batch": 5, "size": 256}, steps)["batch"] for steps in range(4)] == [5, 2, 1, 1]
    fields = STAGE["reconstruct"].steps_down({"score_cameras": 3, "rays": 3000, "grid": 96, "steps": 200})
    assert [(step["score_cameras"], step["rays"], step["grid"]) for step in fields] == [
        (3, 3000, 96), (1, 3000, 96), (1, 1500, 96), (1, 1024, 96), (1, 1024, 64), (1, 1024, 48)
    ]  # fmt: skip
    small = {"score_cameras": 1, "rays": 512, "grid": 32}
    assert list(STAGE["reconstruct"].steps_down(small)) == [small], "a recipe below the floors has nothing to give"


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_every_step_of_a_ladder_is_another_and_a_valid_one(stage: Stage) -> None:
    steps = list(stage.steps_down(stage.params_of(Recipe())))
    assert steps[0] == stage.params_of(Recipe())
    assert len(steps) > 1 or not stage.ladder
    for before, after in pairwise(steps):
        assert before != after
        stage.params.model_validate(after)
