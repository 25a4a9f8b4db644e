"""What people say on the pages: decisions on one asset or on many, taken back, comments. Each goes to the one function
that the command line uses too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Engine

from core.errors import NotFound, NotReviewable
from db import gallery as queries
from db.reviews import add_comment
from gallery import pages
from gallery.access import Access, Form, read_form
from gallery.asked import asked_in
from tasks.decide import EVENT_OF_DECISION, decide, undo
from tasks.webhooks import Tell

MOST_AT_ONCE = 200
"""Assets of one decision."""

Posted = Annotated[Form, Depends(read_form)]


def add_reviewing(app: FastAPI, engine: Engine, access: Access, tell: Tell) -> None:
    """The routes that write what people say."""

    def later(background: BackgroundTasks) -> Callable[[str, dict[str, Any]], None]:
        # a slow receiver keeps no page waiting
        return lambda event, payload: background.add_task(tell, event, payload)

    @app.post("/assets/{asset_id}/review")
    def review(asset_id: str, form: Posted, background: BackgroundTasks) -> RedirectResponse:
        """Decide, and go on to the next of the list that the page was opened from."""
        form = form.allowed(access)
        decision = _decision(form)
        try:
            done = decide(engine, asset_id, decision, form.one("note", 2000) or None, form.who, later(background))
        except NotFound as error:
            raise HTTPException(404, "There is no such asset.") from error
        except NotReviewable as error:
            raise HTTPException(409, str(error)) from error
        if "list" not in form.fields:
            return RedirectResponse(f"/assets/{asset_id}", status_code=303)
        asked = asked_in(form.one("list", 2000))
        following = queries.next_of(engine, asked.list_or_waiting(), asset_id)
        query = asked.query(did=done.review_id)
        return RedirectResponse(f"/assets/{following}{query}" if following else f"/{query}", status_code=303)

    @app.post("/decisions")
    def decisions(form: Posted, background: BackgroundTasks) -> Response:
        """One decision on every ticked asset; back to the list."""
        form = form.allowed(access)
        decision, ids = _decision(form), form.all("asset")[:MOST_AT_ONCE]
        if not ids:
            raise HTTPException(422, "Tick at least one product first.")
        done, refused = [], []
        for asset_id in ids:
            try:
                note = form.one("note", 2000) or None
                done.append(decide(engine, asset_id, decision, note, form.who, later(background)).review_id)
            except (NotFound, NotReviewable) as error:
                refused.append((asset_id, str(error)))
        back = "/" + asked_in(form.one("list", 2000)).query(did=",".join(map(str, done)))
        if refused:
            return HTMLResponse(pages.refused_page(len(done), refused, back), 409)
        return RedirectResponse(back, status_code=303)

    @app.post("/undo")
    def take_back(form: Posted, background: BackgroundTasks) -> Response:
        """Take decisions back; to the asset where it was one, else to the list."""
        form = form.allowed(access)
        undone, refused = [], []
        for review_id in review_ids(form.one("reviews", 8000)):
            try:
                undone.append(undo(engine, review_id, form.who, later(background)))
            except (NotFound, NotReviewable) as error:
                refused.append((f"decision {review_id}", str(error)))
        query = asked_in(form.one("list", 2000)).query()
        back = f"/assets/{undone[0]}{query}" if len(undone) == 1 else f"/{query}"
        if refused:
            return HTMLResponse(pages.refused_page(len(undone), refused, back), 409)
        return RedirectResponse(back, status_code=303)

    @app.post("/assets/{asset_id}/comments")
    def comment(asset_id: str, form: Posted) -> RedirectResponse:
        """Keep a comment."""
        form = form.allowed(access)
        text = form.one("text", 4000)
        if not text:
            raise HTTPException(422, "Write something first.")
        try:
            add_comment(engine, asset_id, text, form.who)
        except NotFound as error:
            raise HTTPException(404, "There is no such asset.") from error
        query = asked_in(form.one("list", 2000)).query()
        return RedirectResponse(f"/assets/{asset_id}{query}", status_code=303)


def review_ids(text: str) -> list[int]:
    """``3,4,5``, at most :data:`MOST_AT_ONCE` of them; what is no number is left out."""
    numbers = [int(part) for part in text.split(",") if part.isascii() and part.isdigit() and len(part) < 18]
    return numbers[:MOST_AT_ONCE]


def _decision(form: Form) -> str:
    decision = form.one("decision")
    if decision not in EVENT_OF_DECISION:
        raise HTTPException(422, "The decision is approve, reject or better-photo.")
    return decision
