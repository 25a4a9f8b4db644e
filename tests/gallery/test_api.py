"""The HTTP API: paging, names, files with ETag and ranges, who may do what, and no 500 whatever is asked."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from sqlalchemy import select
from typer.testing import CliRunner

from cli.users import app as users_app
from core.errors import DatabaseDown, InputError
from db.engine import writing
from db.tables import Product
from gallery.api.addresses import file_url
from gallery.api.people import People, User, checked_origins, read_users, token_hash
from gallery.app import Access, create_app
from gallery.audit import Audited, AuditLog
from tests.gallery.conftest import CATALOGUE, HOSTILE, Shop, red_box

URL = "http://127.0.0.1"
USERS = (
    User(name="ann", role="reviewer", token_sha256=token_hash("anns")),
    User(name="rob", role="reader", token_sha256=token_hash("robs")),
)


def client_of(shop: Shop, access: Access | None = None, people: People = People()) -> TestClient:  # noqa: B008
    app = create_app(shop.engine, shop.store, access, people=people)
    return TestClient(app, base_url=URL, follow_redirects=False, raise_server_exceptions=False)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_pages_of_assets_hold_each_once_and_the_last_cursor_finds_what_settles_later(published: Shop) -> None:
    client = client_of(published)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/v1/assets", params=query).json()
        seen += [asset["asset_id"] for asset in page["assets"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert sorted(seen) == sorted(published.ids)
    assert len(client.get("/api/v1/assets", params={"cursor": cursor}).json()["assets"]) == len(seen) % 3 or 3


def test_lists_are_narrowed_by_status_catalogue_sku_and_date(published: Shop) -> None:
    client = client_of(published)

    def skus(**query: str) -> list[str]:
        return [asset["sku"] for asset in client.get("/api/v1/assets", params=query).json()["assets"]]

    assert skus(sku="mug-*") == ["mug-blue"]
    assert skus(status="review", sku="*script*") == ["<script>alert(1)</script>"]
    assert skus(catalogue="other") == []
    assert len(skus(catalogue=CATALOGUE)) == len(HOSTILE)
    assert skus(since="2100-01-01T00:00:00") == []
    assert len(skus(since="2020-01-01T00:00:00+02:00")) == len(HOSTILE)


@pytest.mark.parametrize("sku", [HOSTILE[0], HOSTILE[3], HOSTILE[4]])
def test_an_asset_by_name_has_files_that_open_under_stable_addresses(published: Shop, sku: str) -> None:
    client = client_of(published)
    found = client.get(f"/api/v1/products/{quote(CATALOGUE, safe='')}/{quote(sku, safe='')}").json()
    assert (found["sku"], found["published"]) == (sku, True)
    glb = next(file for file in found["files"] if file["kind"] == "model.glb")
    assert glb["url"] == file_url(CATALOGUE, sku, "model.glb")
    answer = client.get(glb["url"])
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert answer.content == red_box()
    assert hashlib.sha256(answer.content).hexdigest() == glb["sha256"]
    assert answer.headers["etag"] == f'"{glb["sha256"]}"'


def test_a_sku_with_slashes_has_an_address_too(published: Shop) -> None:
    assert client_of(published).get(file_url(CATALOGUE, "a/b", "model.glb")).status_code == 404
    with writing(published.engine) as session:
        product = session.scalars(select(Product).where(Product.sku == "mug-blue")).one()
        product.sku = "mugs/model.glb/blue"
    address = file_url(CATALOGUE, "mugs/model.glb/blue", "model.glb")
    assert client_of(published).get(address).content == red_box()


def test_a_file_is_asked_for_again_in_parts_and_by_head(published: Shop) -> None:
    client, address = client_of(published), file_url(CATALOGUE, "mug-blue", "model.glb")
    whole = client.get(address)
    tag = whole.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(address, headers={"if-none-match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    part = client.get(address, headers={"range": "bytes=4-11", "if-range": tag})
    assert (part.status_code, part.content) == (206, whole.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(whole.content)}"
    assert client.get(address, headers={"range": "bytes=4-11", "if-range": '"old"'}).content == whole.content
    assert client.get(address, headers={"range": "bytes=99999999-"}).status_code == 416
    head = client.head(address)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert head.headers["content-length"] == str(len(whole.content))


def test_a_damaged_file_is_not_handed_out(published: Shop) -> None:
    digest = hashlib.sha256(red_box()).hexdigest()
    path = published.store.path(f"objects/{digest[:2]}/{digest}")  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    answer = client_of(published).get(file_url(CATALOGUE, "mug-blue", "model.glb"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_is_not_published_has_no_stable_address_but_one_of_its_own(published: Shop) -> None:
    client = client_of(published)
    waiting = client.get("/api/v1/assets/asset-0001").json()
    assert (waiting["status"], waiting["published"], waiting["embed_url"]) == ("review", False, None)
    assert client.get(file_url(CATALOGUE, waiting["sku"], "model.glb")).status_code == 404
    glb = next(file for file in waiting["files"] if file["kind"] == "model.glb")
    assert client.get(glb["url"]).content == red_box()


def test_decisions_want_review_mode_and_a_reviewers_token(published: Shop) -> None:
    people, path = People(USERS), "/api/v1/assets/asset-0001/decisions"
    said = {"decision": "approve", "note": "fine"}
    closed, open_ = (client_of(published, Access(review=on, token="sesame"), people) for on in (False, True))
    assert closed.post(path, json=said, headers=bearer("anns")).status_code == 403
    assert open_.post(path, json=said).status_code == 403
    assert open_.post(path, json=said, headers=bearer("wrong")).status_code == 401
    assert open_.post(path, json=said, headers=bearer("robs")).status_code == 403
    assert open_.post(path, json=said | {"decision": "burn"}, headers=bearer("anns")).status_code == 422
    done = open_.post(path, json=said | {"reviewer": "somebody else"}, headers=bearer("anns"))
    assert (done.status_code, done.json()["reviewer"], done.json()["status"]) == (201, "ann", "finished")
    taken = open_.post(path, json=said | {"decision": "reject", "reviewer": "zoe"}, headers=bearer("sesame"))
    assert (taken.json()["reviewer"], taken.json()["status"]) == ("zoe", "failed")
    queued = "/api/v1/assets/asset-0007/decisions"
    assert open_.post(queued, json=said, headers=bearer("anns")).status_code == 409
    assert open_.post("/api/v1/assets/none/decisions", json=said, headers=bearer("anns")).status_code == 404


def test_a_login_guards_the_api_and_users_and_a_proxys_names_pass_it(published: Shop) -> None:
    access = Access(login="shop:secret")
    client = client_of(published, access, People(USERS))
    basic = {"authorization": "Basic " + base64.b64encode(b"rob:robs").decode()}
    other = {"authorization": "Basic " + base64.b64encode(b"ann:robs").decode()}
    assert client.get("/api/v1/assets").status_code == 401
    assert client.get("/api/v1/assets", headers=bearer("robs")).status_code == 200
    assert client.get("/api/v1/assets", headers=basic).status_code == 200
    assert client.get("/api/v1/assets", headers=other).status_code == 401
    assert client.get(file_url(CATALOGUE, "mug-blue", "model.glb")).status_code == 401
    assert client.get(f"/embed/{quote(CATALOGUE, safe='')}/mug-blue").status_code == 401
    named = client_of(published, Access(review=True), People(USERS, proxy_header="X-User"))
    path, said = "/api/v1/assets/asset-0001/decisions", {"decision": "approve"}
    assert named.get("/api/v1/assets").status_code == 401
    assert named.get("/api/v1/assets", headers={"x-user": "nobody we know"}).status_code == 200
    assert named.post(path, json=said, headers={"x-user": "rob"}).status_code == 403
    assert named.post(path, json=said, headers={"x-user": "ann"}).json()["reviewer"] == "ann"
    assert client_of(published, access).get("/api/v1/assets", headers={"x-user": "ann"}).status_code == 401


def test_other_origins_read_what_is_published_only_where_they_were_named(published: Shop) -> None:
    address, origin = file_url(CATALOGUE, "mug-blue", "model.glb"), {"origin": "https://shop.example"}
    embed = f"/embed/{quote(CATALOGUE, safe='')}/mug-blue"
    shut = client_of(published)
    assert "access-control-allow-origin" not in shut.get(address, headers=origin).headers
    assert "frame-ancestors 'none'" in shut.get(embed).headers["content-security-policy"]
    people = People(origins=("https://shop.example",))
    open_ = client_of(published, Access(login="shop:secret"), people)
    answer = open_.get(address, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in open_.get(address, headers={"origin": "https://evil.example"}).headers
    page = open_.get(embed)
    assert "frame-ancestors https://shop.example" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert 'ar-modes="webxr scene-viewer quick-look"' in page.text
    assert "<svg" in page.text
    assert open_.get("/api/v1/assets", headers=origin).status_code == 401  # only what is published is open


def test_with_every_origin_let_in_a_foreign_page_still_reads_no_internals(published: Shop) -> None:
    client = client_of(published, people=People(origins=("*",)))
    foreign = {"origin": "https://evil.example"}
    assert client.get(file_url(CATALOGUE, "mug-blue", "model.glb"), headers=foreign).status_code == 200
    assert client.get("/api/v1/assets", headers=foreign).status_code == 401
    assert client.get("/api/v1/assets").status_code == 200
    assert client.get("/api/v1/assets", headers={"host": "evil.example"}).status_code == 400


def test_names_in_the_embedded_page_are_escaped(published: Shop) -> None:
    page = client_of(published).get(f"/embed/{quote(CATALOGUE, safe='')}/{quote(HOSTILE[4], safe='')}").text
    assert 'alt="a&#34;onmouseover=&#34;alert(1), a 3D model"' in page


def test_an_outage_is_a_503_that_says_no_address(published: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise DatabaseDown("postgresql://user@host")

    monkeypatch.setattr("gallery.api.app.assets_after", down)
    answer = client_of(published).get("/api/v1/assets")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_down")
    assert "host" not in answer.text


def test_only_an_origin_is_let_into_a_header() -> None:
    assert checked_origins(["*", "https://shop.example", "http://[::1]:8080"])
    for wrong in ("shop.example", "https://shop.example/path", "https://a; script-src *", "https://a b"):
        with pytest.raises(InputError, match="is no origin"):
            checked_origins([wrong])


def test_users_are_kept_as_hashes_that_nobody_else_may_read(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    for arguments in (["add", "Ann"], ["add", "Rob"], ["add", "Rob", "--role", "reader"]):
        done = CliRunner().invoke(users_app, [*arguments, "--file", str(file), "--json"])
        assert done.exit_code == 0
    token = json.loads(done.stdout)["token"]
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    people = People(read_users(file))
    assert [(user.name, user.role) for user in people.users] == [("Ann", "reviewer"), ("Rob", "reader")]
    assert (found := people.by_token(token)) is not None
    assert found.name == "Rob"
    assert people.by_token(token_hash(token)) is None
    file.write_text('[{"name": "Ann", "role": "queen", "token_sha256": "x"}]')
    with pytest.raises(InputError, match=r"0\.role"):
        read_users(file)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_date_at_the_end_of_time_is_no_bug(published: Shop, moment: str) -> None:
    client = client_of(published)
    assert client.get("/api/v1/assets", params={"since": moment}).status_code == 422
    cursor = base64.urlsafe_b64encode(f"{moment} x".encode()).decode()
    assert client.get("/api/v1/assets", params={"cursor": cursor}).status_code == 422


def test_the_audit_log_has_decisions_with_who_and_what_was_refused(published: Shop, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    heard: list[str] = []
    tell = log.hears(lambda event, payload: heard.append(event))
    app = create_app(published.engine, published.store, Access(review=True), tell, people=People(USERS))
    app.add_middleware(Audited, log=log)
    client = TestClient(app, base_url=URL)
    path = "/api/v1/assets/asset-0001/decisions"
    client.get("/api/v1/assets")
    client.post(path, json={"decision": "approve"}, headers=bearer("robs"))
    client.post(path, json={"decision": "approve", "note": "fine"}, headers=bearer("anns"))
    client.post("/assets/asset-0001/review", data={"decision": "reject"})
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    requests = [(line["path"], line["status"]) for line in lines if "path" in line]
    assert requests == [(path, 403), (path, 201), ("/assets/asset-0001/review", 403)]
    (decision,) = [line for line in lines if "event" in line]
    assert (decision["event"], decision["review"]["reviewer"], heard) == ("asset.approved", "ann", ["asset.approved"])
    assert log.path.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="cannot be written"):
        AuditLog(tmp_path)


@pytest.fixture
def schema(published: Shop) -> Any:
    app = create_app(published.engine, published.store, Access(review=True, hosts=("*",)), people=People(USERS))
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=bearer("anns"))


def test_no_request_that_the_document_allows_or_forbids_ends_in_500(schema: Any) -> None:
    """Nor in anything else that the document does not say: status, media type and body are its own."""
    checks = schemathesis.checks
    held = [checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    bounded = settings(
        max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 8
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @bounded
            @given(operation.as_strategy(generation_mode=mode))
            def is_answered(case: Any) -> None:
                case.call_and_validate(headers=bearer("anns"), checks=[*held, checks.response_schema_conformance])

            is_answered()
