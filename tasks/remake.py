"""An object that is gone or damaged, made again from what stands: by running its stage once more, or from the photo's
own place. Its bytes must come out as they were recorded; no row changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError, MeshmillError, PhotoUnavailable
from core.recipes import Recipe
from db import leases, objects, planning, stage_runs
from db.objects import Origin
from db.stage_runs import Stored
from storage import ObjectDamaged, ObjectMissing, StoreDown
from tasks.artifacts import kind_of, load, put, whole
from tasks.house import House
from tasks.models import Weights, models_of
from tasks.ownership import owners
from tasks.photo_bytes import fetch_source
from tasks.renewal import POLL_SECONDS, Renewal
from tasks.stages import STAGE
from tasks.worker import StageCall


class NotRepairable(Exception):
    """The object cannot be made again here as it was. One sentence in ``str(error)``."""


@dataclass
class Remaker:
    """Makes objects again. Called by one thread."""

    house: House
    _models: list[Weights] | None = field(default=None, init=False)

    def remake(self, artifact: Stored) -> None:
        """The object stands, whole, when this returns. Raises :class:`NotRepairable`, and what a store or database
        that is down raises."""
        if whole(self.house, artifact):
            return
        origins = self.house.ask(objects.origins, artifact.key)
        if not origins:
            self._from_its_place(artifact)
            return
        why = NotRepairable("Nobody knows how it was made.")
        for origin in origins:
            try:
                self._from_its_stage(origin)
            except NotRepairable as error:
                why = error
            else:
                return
        raise why

    def _from_its_place(self, photo: Stored) -> None:
        for uri in self.house.ask(objects.photo_places, photo.sha256):
            try:
                data = fetch_source(self.house, uri)
            except (InputError, PhotoUnavailable):
                continue
            if hashlib.sha256(data).hexdigest() == photo.sha256:
                put(self.house, data, photo.key, photo.sha256, photo.media_type)
                return
        raise NotRepairable("The photo is not where it was taken from any more: put it back there.")

    def _from_its_stage(self, origin: Origin) -> None:
        stage = STAGE.get(origin.stage)
        if stage is None or stage.version != origin.version:
            raise NotRepairable(f"This version of Meshmill makes its {origin.stage} stage in another way: {AGAIN}")
        for stored in origin.inputs.values():
            self.remake(stored)
        owner = f"{self.house.owner}/remake"
        while not self.house.ask(leases.claim, origin.key, owner, self.house.settings.lease_seconds):
            if self.house.stopping.wait(POLL_SECONDS):
                raise NotRepairable("It was stopped.")
        try:
            files = self._computed(origin, owner)
            for stored in origin.made:
                data = files.get(stored.kind, b"")
                if hashlib.sha256(data).hexdigest() == stored.sha256:
                    put(self.house, data, stored.key, stored.sha256, stored.media_type)
        finally:
            self.house.ask(leases.release, origin.key, owner)
        if not all(whole(self.house, stored) for stored in origin.made):
            self.house.ask(stage_runs.set_aside, origin.key)  # so that the next build of it does not rely on this one
            raise NotRepairable(f"Its {origin.stage} stage makes other bytes on this machine: {AGAIN}")

    def _computed(self, origin: Origin, owner: str) -> dict[str, bytes]:
        """Kinds to bytes."""
        stage, said = STAGE[origin.stage], origin.parameters
        weights = {role: self._weights(role, sha256) for role, sha256 in said["models"].items()}
        params: dict[str, Any] = dict(said["params"])
        if stage.weights_parameter and stage.weights:
            params[stage.weights_parameter] = weights[stage.weights].name
        try:
            call = StageCall(
                stage.name,
                {role: load(self.house, stored) for role, stored in origin.inputs.items()},
                stage.step_down(params, origin.ladder),
                said["seed"] or 0,
                {role: found.path for role, found in weights.items()},
                said.get("about", {}),
                self.house.settings.device,
                ladder=origin.ladder,
            )
            output = self.house.worker(stage.name).call(
                call,
                lambda *_, **__: None,
                self.house.settings.stage_timeout,
                Renewal(self.house, origin.key, owner),
            )
        except (ObjectMissing, ObjectDamaged) as error:
            raise NotRepairable(str(error)) from error
        except MeshmillError as error:
            raise NotRepairable(f"Its {stage.name} stage failed: {error}") from error
        return {kind_of(name): data for name, data in output.files.items()}

    def _weights(self, role: str, sha256: str) -> Weights:
        if self._models is None:
            self._models = []
            for parameters in self.house.ask(planning.recipes):
                try:
                    self._models += models_of(self.house, Recipe.model_validate(parameters)).values()
                except (MeshmillError, ValueError):  # a recipe of an older version, weights that are gone
                    continue
        for found in self._models:
            if (found.role, found.sha256) == (role, sha256):
                return found
        raise NotRepairable(f"The {role} weights that it was made with are not on this machine: put them back.")


AGAIN = "`meshmill retry --status finished SKU` builds the asset anew."
"""What a person can do where bytes cannot be made as they were."""


def heal(house: House, artifacts: Iterable[Stored]) -> None:
    """Make again what a stage, or a person, is about to read and is not there, whole. Raises ``ObjectDamaged`` where
    that cannot be done, ``StoreDown`` where it is the store that is gone."""
    if owners(house).ours is None:
        raise StoreDown(f"The store {house.settings.store} does not bear this database's marker: check its mount.")
    remaker = Remaker(house)
    for stored in artifacts:
        try:
            remaker.remake(stored)
        except NotRepairable as error:
            raise ObjectDamaged(f"The object {stored.key} is gone or damaged. {error}") from error
