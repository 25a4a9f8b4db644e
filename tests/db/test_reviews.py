"""The gate's word and a person's, said at once: neither is lost. On both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event, select, update
from test_planning import plan, statuses, stock, wanted

from core.errors import NotReviewable
from db.engine import reading, writing
from db.reviews import record_decision, record_verdict
from db.tables import Artifact, Asset, Review


@pytest.fixture
def asset_id(engine: Any) -> str:
    """An asset in review, with a GLB."""
    plan(engine, wanted(engine, stock(engine, 1), "a"))
    with writing(engine) as session:
        glb = Artifact(kind="glb", key="k", uri="file:///k", sha256="0" * 64, bytes=1, media_type="model/gltf-binary")
        session.add(glb)
        session.flush()
        session.execute(update(Asset).values(status="review", glb_id=glb.id))
    return "a-s0000"


def test_a_decision_taken_while_the_gate_writes_its_verdict_stands(engine: Any, asset_id: str) -> None:
    """A second worker builds the asset again and sends it to review; a person approves it in that very moment."""
    deciding = threading.Thread(target=record_decision, args=(engine, asset_id, "approve", "fine", "Ann"))

    @event.listens_for(engine, "before_cursor_execute")
    def meanwhile(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE asset") and not deciding.is_alive() and deciding.ident is None:
            deciding.start()
            deciding.join(1)  # it has to wait for the verdict's transaction, or is through now

    record_verdict(engine, asset_id, "review", reason="blurred", score=0.4)
    deciding.join(30)
    assert statuses(engine) == {asset_id: "finished"}
    assert record_verdict(engine, asset_id, "review", reason="blurred") == ("finished", "fine")
    assert statuses(engine) == {asset_id: "finished"}


def test_a_decision_is_there_whole_or_not_at_all(engine: Any, asset_id: str) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def dies(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE asset"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_decision(engine, asset_id, "approve", None, "Ann")
    event.remove(engine, "before_cursor_execute", dies)
    assert statuses(engine) == {asset_id: "review"}
    with reading(engine) as session:
        assert session.scalars(select(Review)).all() == []


def test_a_status_that_changed_after_the_page_was_shown_is_looked_at_again(engine: Any, asset_id: str) -> None:
    with writing(engine) as session:
        session.execute(update(Asset).values(status="superseded"))
    with pytest.raises(NotReviewable, match="superseded"):
        record_decision(engine, asset_id, "approve", None, "Ann")
