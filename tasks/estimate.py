"""How long and how dear a night will be, from what the same stages took before on the same device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from core.errors import InputError
from core.parameters import JsonObject
from core.recipes import Recipe
from db.standing import PastStage, past_nights, past_runs
from tasks.factory import Factory
from tasks.models import Weights
from tasks.night import Budget, Night
from tasks.stages import STAGE, STAGE_NAMES


@dataclass(frozen=True)
class StageCost:
    """What one run of a stage takes."""

    seconds: float
    cost: float


@dataclass(frozen=True)
class Estimate:
    """What products take that are built one after the other, their finishing beside the next one's models."""

    seconds: float
    cost: float


LINE = tuple(STAGE[name] for name in STAGE_NAMES)
"""What every asset passes; placing further photos is not foretold."""


class Estimator:
    """Medians of past stage runs: of the same parameters where there are any, else of the stage."""

    def __init__(self, factory: Factory, recipe: Recipe, models: Mapping[str, Weights]) -> None:
        self._lanes = factory.settings.finish_workers
        self._params = {stage.name: hashed_params(stage.name, recipe) for stage in LINE}
        self._seed = recipe.seed
        self._models = {
            stage.name: {stage.weights: models[stage.weights].sha256} if stage.weights else {} for stage in LINE
        }
        past = {stage.name: factory.retry_database(past_runs, stage.name) for stage in LINE}
        device = factory.settings.device if factory.settings.device != "auto" else _device(past)
        self._costs = {name: _median(runs, self._params[name], device) for name, runs in past.items()}
        nights = factory.retry_database(past_nights)
        beside = [night.seconds - self._of_line(night.stages) for night in nights]
        self._beside = max(0.0, median(beside)) if beside else 0.0

    @property
    def unknown(self) -> tuple[str, ...]:
        """Stages that never ran on this device."""
        return tuple(name for name, cost in self._costs.items() if cost is None)

    def stages_left(self, made: Mapping[str, PastStage], photo_sha256: str) -> tuple[str, ...]:
        """Stages that are built again where a product has been built before: from the first one that differs."""
        names = [stage.name for stage in LINE]
        for at, stage in enumerate(LINE):
            past = made.get(stage.name)
            if past is None or stage.about or not self._same(stage.name, past, photo_sha256):
                return tuple(names[at:])
        return ()

    def _same(self, stage: str, past: PastStage, photo_sha256: str) -> bool:
        if past.parameters.get("inputs", {}).get("photo", photo_sha256) != photo_sha256:
            return False
        params = {k: v for k, v in past.parameters.get("params", {}).items() if k in self._params[stage]}
        same = past.version == STAGE[stage].version and _without_pose(params) == _without_pose(self._params[stage])
        seeded = past.parameters.get("seed") in (None, self._seed)
        return same and seeded and past.parameters.get("models", {}) == self._models[stage]

    def of_product(self, stages: tuple[str, ...]) -> Estimate:
        """One product alone. Stages that are :attr:`unknown` count as nothing."""
        costs = [cost for name in stages if (cost := self._costs[name]) is not None]
        return Estimate(sum(c.seconds for c in costs), sum(c.cost for c in costs))

    def seconds_of(self, stages: tuple[str, ...]) -> dict[str, float]:
        """One product alone, by stage."""
        return {name: self.of_product((name,)).seconds for name in stages}

    def night(self) -> Tally:
        """A night without any product yet."""
        return Tally(self, Line(self._lanes), self._beside)

    def _of_line(self, products: Iterable[Mapping[str, float]]) -> float:
        line = Line(self._lanes)
        for stages in products:
            line.add(stages)
        return line.seconds


class Line:
    """Products one after the other, each given by the seconds of its stages: the models' stages in a row, finishing in
    lanes beside them."""

    def __init__(self, lanes: int) -> None:
        self._models, self._lanes, self._count = 0.0, [0.0] * lanes, 0

    def add(self, stages: Mapping[str, float]) -> None:
        self._models += sum(seconds for name, seconds in stages.items() if STAGE[name].weights is not None)
        finishing = sum(seconds for name, seconds in stages.items() if STAGE[name].weights is None)
        lane = self._count % len(self._lanes)
        self._lanes[lane] = max(self._lanes[lane], self._models) + finishing
        self._count += 1

    @property
    def seconds(self) -> float:
        """Until all are done."""
        return max(self._models, *self._lanes)


@dataclass
class Tally:
    """What a night takes, product by product, and what past nights took beside their stages: starting, loading the
    models, storing."""

    _estimator: Estimator
    _line: Line
    _beside: float
    total: Estimate = Estimate(0.0, 0.0)

    def add(self, stages: tuple[str, ...]) -> Estimate:
        """:attr:`total` with one more product, given by the stages that it still needs."""
        self._line.add(self._estimator.seconds_of(stages))
        cost = self.total.cost + self._estimator.of_product(stages).cost
        self.total = Estimate(self._beside + self._line.seconds, cost)
        return self.total


def budget_of(factory: Factory, night: Night, recipe: Recipe, models: Mapping[str, Weights]) -> Budget:
    """The night's limits, with what a product takes. Raises :class:`InputError` for a limit of cost where nothing has a
    price."""
    check_price(factory, night)
    if night.max_cost is None and night.until is None:
        return Budget(night)
    product = Estimator(factory, recipe, models).of_product(STAGE_NAMES)
    return Budget(night, product.seconds, product.cost)


def check_price(factory: Factory, night: Night) -> None:
    """Raises :class:`InputError` for a limit of cost where nothing has a price."""
    if night.max_cost is not None and not (factory.settings.cost_per_cpu_hour or factory.settings.cost_per_gpu_hour):
        raise InputError("--max-cost needs a price: set MESHMILL_COST_PER_GPU_HOUR or MESHMILL_COST_PER_CPU_HOUR.")


def hashed_params(stage: str, recipe: Recipe) -> JsonObject:
    """The parameters that a stage's key hashes."""
    row = STAGE[stage]
    return {name: value for name, value in row.params_of(recipe).items() if name != row.weights_parameter}


def _without_pose(params: Mapping[str, Any]) -> JsonObject:
    """A photo's name may say its elevation, which then stands in the parameters."""
    return {name: value for name, value in params.items() if name != "elevation"}


def _device(past: Mapping[str, list[PastStage]]) -> str:
    """Where the models ran last: asking torch would take longer than the whole plan."""
    return next((runs[0].device for name, runs in past.items() if STAGE[name].gpu and runs), "cpu")


def _median(runs: list[PastStage], params: Mapping[str, Any], device: str) -> StageCost | None:
    here = [run for run in runs if run.device.split(":")[0] == device or not STAGE[run.stage].gpu]
    alike = [run for run in here if _without_pose(run.parameters.get("params", {})) == _without_pose(params)]
    chosen = alike or here
    if not chosen:
        return None
    return StageCost(median(run.seconds for run in chosen), median(run.cost for run in chosen))
