"""The gallery's pages over a real database: safe for any name, filtered, paged, read-only unless allowed."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import insert

from core.errors import NotReviewable
from core.records import to_json
from db import gallery as queries
from db.assets import set_status
from db.engine import writing
from db.finished import finished_assets
from db.gallery import Filters
from db.lineage import lineage
from db.reviews import record_decision, take_back
from db.stage_runs import Stored
from db.tables import Artifact, Asset, Photo, Product, RecipeRow
from gallery.api.people import People, User, token_hash
from gallery.app import Access, create_app, download_name
from gallery.cameras import photo_camera
from gallery.export import export
from gallery.marks import loose_pieces
from gallery.pages import differences
from tests.gallery.conftest import HOSTILE, STATUSES, Shop, two_boxes

URL = "http://127.0.0.1"


def client_of(shop: Shop, access: Access | None = None) -> TestClient:
    return TestClient(create_app(shop.engine, shop.store, access), base_url=URL, follow_redirects=False)


def test_hostile_names_are_shown_and_never_run(shop: Shop):
    client = client_of(shop)
    pages = [client.get("/").text] + [client.get(f"/assets/{asset_id}").text for asset_id in shop.ids]
    for page in pages:
        scripts = re.findall(r"<script[^>]*>", page)
        assert all(re.fullmatch(r'<script src="/static/[a-z.-]+"( defer)?>', script) for script in scripts)
        assert "<i>" not in page.replace("&lt;i&gt;", "")
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', '""', page))
    for sku in HOSTILE[:6]:
        assert html.escape(sku, quote=False) in html.unescape(pages[0]).replace("&", "&amp;").replace(
            "<", "&lt;"
        ).replace(">", "&gt;")
    assert "{{ 7*7 }}" in html.unescape(pages[0])
    assert "<u>blurred" not in pages[1]


@pytest.mark.parametrize("path", ["/", "/assets/asset-0000", "/static/gallery.js", "/nowhere"])
def test_every_answer_is_locked_down(shop: Shop, path: str):
    headers = client_of(shop).get(path).headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers


def test_a_foreign_host_name_is_refused(shop: Shop):
    assert client_of(shop).get("/", headers={"host": "evil.example"}).status_code == 400


def test_the_pages_reach_for_nothing_outside(shop: Shop):
    client = client_of(shop)
    for path in ("/", "/assets/asset-0000", "/compare?a=asset-0000&b=asset-0001"):
        for address in re.findall(r'\s(?:src|href|action)="([^"]*)"', client.get(path).text):
            assert address.startswith(("/", "?")), address


def test_filters_narrow_the_grid(shop: Shop):
    client = client_of(shop)

    def shown(query: str) -> int:
        return client.get("/?" + query).text.count('class="card"')

    assert shown("") == len(HOSTILE)
    assert shown("status=review") == 2
    assert shown("q=MUG") == 1
    assert shown("q=%25") == 0
    assert shown("low=0.25&high=0.45") == 2
    assert shown("since=2099-01-01") == 0
    assert shown("catalogue=nothing") == 0
    assert shown("page=2") == 0
    assert client.get("/?low=many").status_code == 422
    assert client.get("/?since=yesterday").status_code == 422


def test_files_come_only_by_known_kinds(shop: Shop):
    client = client_of(shop)
    glb = client.get("/assets/asset-0000/files/glb")
    assert glb.headers["content-type"] == "model/gltf-binary"
    assert glb.content[:4] == b"glTF"
    download = client.get("/assets/asset-0001/files/glb?download=true")
    assert download.headers["content-disposition"] == 'attachment; filename="script_alert_1_script.glb"'
    report = client.get("/assets/asset-0000/files/report")
    assert report.headers["content-type"] == "application/octet-stream"
    for path in (
        "/assets/asset-0000/files/evil.html",
        "/assets/asset-0000/files/..%2f..%2fshop.db",
        "/assets/nothing",
        "/static/..%2fapp.py",
        "/static/",
        "/assets/",
    ):
        assert client.get(path).status_code == 404, path


def test_a_damaged_object_is_not_served(shop: Shop):
    found = queries.files(shop.engine, "asset-0000")["hero.png"]
    path = Path(shop.store.uri(found.key).removeprefix("file://"))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert client_of(shop).get("/assets/asset-0000/files/hero.png").status_code == 404


@pytest.mark.parametrize(
    ("sku", "name"),
    [
        ("mug-blue", "mug-blue.glb"),
        ("../../x", "x.glb"),
        ("☕", "asset.glb"),
        ("a\r\nX: y", "a_X_y.glb"),
        ("x" * 300, "x" * 80 + ".glb"),
    ],
)
def test_download_names_are_harmless(sku: str, name: str):
    assert download_name(sku, "glb") == name


def review(client: TestClient, **fields: str):
    return client.post("/assets/asset-0001/review", data={"decision": "approve", **fields})


def test_nothing_is_decided_in_a_read_only_gallery(shop: Shop):
    client = client_of(shop)
    assert review(client).status_code == 403
    assert "Approve" not in client.get("/assets/asset-0001").text
    assert to_json(lineage(shop.engine, "asset-0001"))["status"] == "review"


def test_a_decision_needs_the_page_s_secret_and_the_token(shop: Shop):
    access = Access(review=True, token="sesame")
    client = client_of(shop, access)
    assert review(client, token="sesame").status_code == 403
    assert review(client, secret=access.secret).status_code == 403
    assert review(client, secret=access.secret, token="other").status_code == 403
    assert to_json(lineage(shop.engine, "asset-0001"))["reviews"] == []
    answer = review(client, secret=access.secret, token="sesame", note="<b>fine</b>", reviewer="Ann")
    assert answer.status_code == 303
    row = to_json(lineage(shop.engine, "asset-0001"))
    assert row["status"] == "finished"
    assert [(r["decision"], r["note"], r["reviewer"]) for r in row["reviews"]] == [("approve", "<b>fine</b>", "Ann")]
    assert "<b>fine</b>" not in client.get("/assets/asset-0001").text


def test_what_the_page_decides_is_told_as_the_command_tells_it(shop: Shop):
    access, heard = Access(review=True), []
    app = create_app(shop.engine, shop.store, access, lambda event, data: heard.append((event, data)))
    client = TestClient(app, base_url=URL, follow_redirects=False)
    for decision in ("approve", "reject"):
        client.post("/assets/asset-0001/review", data={"decision": decision, "secret": access.secret, "note": "so"})
    client.post("/assets/asset-0007/review", data={"decision": "approve", "secret": access.secret})
    assert [(event, data["sku"], data["status"], data["review"]["note"]) for event, data in heard] == [
        ("asset.approved", HOSTILE[1], "finished", "so"),
        ("asset.rejected", HOSTILE[1], "failed", "so"),
    ]


def test_only_built_assets_are_decided(shop: Shop):
    access = Access(review=True)
    client = client_of(shop, access)
    answer = client.post("/assets/asset-0007/review", data={"decision": "approve", "secret": access.secret})
    assert answer.status_code == 409
    assert client.post("/assets/x/review", data={"decision": "approve", "secret": access.secret}).status_code == 404
    assert (
        client.post("/assets/asset-0001/review", data={"decision": "maybe", "secret": access.secret}).status_code == 422
    )
    assert client.post("/assets/asset-0001/review", data={"note": "x" * 20_000}).status_code == 413


def test_names_of_a_manifest_reach_the_pages_safely(shop: Shop, tmp_path: Path):
    """From the shop's own SKU to the pages: what `meshmill run shop.json` records."""
    from tasks.manifests import scan_manifest

    names = ["<script>alert(2)</script>", "../../y", "☕ naïve 2", "n" * 300]
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "shop.json").write_text(json.dumps([{"sku": name, "photo": ["a.jpg"]} for name in names]))
    products = list(scan_manifest(tmp_path / "shop.json").products)
    assert all(product.sku.isprintable() and len(product.sku) <= 200 for product in products)
    assert sorted(product.name for product in products) == sorted(names)
    with writing(shop.engine) as session:
        for index, found in enumerate(products):
            product = Product(catalogue_id=1, sku=found.sku, name=found.name)
            session.add(product)
            session.flush()
            photo = Photo(product_id=product.id, sha256="0" * 64, bytes=1, source_uri="x", file_stamp="x")
            session.add(photo)
            session.flush()
            session.add(Asset(id=f"named-{index}", product_id=product.id, photo_id=photo.id, recipe_hash="r" * 64,
                              plan_key=f"named{index}", model="m", status="review"))  # fmt: skip
    client = client_of(shop)
    grid = client.get("/?q=n").text
    assert "n" * 119 + "…" in grid
    assert "<script>alert" not in grid
    for index in range(len(products)):
        page = client.get(f"/assets/named-{index}").text
        assert "<script>alert" not in page
        assert html.escape(products[index].name[:100], quote=False).replace("&quot;", '"') in page.replace("&#34;", '"')


def test_the_queue_of_those_that_wait_goes_round(shop: Shop):
    waiting = [asset_id for asset_id, status in zip(shop.ids, STATUSES, strict=True) if status == "review"]
    assert len(waiting) == 2
    for order in queries.ORDERS:
        queue = Filters(status="review", order=order)
        assert queries.next_of(shop.engine, queue, waiting[0]) == waiting[1]
        assert queries.next_of(shop.engine, queue, waiting[1]) == waiting[0]
    assert f'href="/assets/{waiting[1]}" rel="next"' in client_of(shop).get(f"/assets/{waiting[0]}").text
    for asset_id in waiting:
        record_decision(shop.engine, asset_id, "approve", None, "Ann")
    assert queries.next_of(shop.engine, Filters(status="review"), shop.ids[0]) is None
    assert 'rel="next"' not in client_of(shop).get("/assets/asset-0000").text


@pytest.mark.parametrize("order", queries.ORDERS)
@pytest.mark.parametrize("more", [{}, {"status": "finished"}, {"lowest": 0.2}, {"search": "x"}])
def test_next_walks_the_list_as_it_is_shown(shop: Shop, order: str, more: dict[str, Any]):
    queue = Filters(order=order, **more)
    shown = [row.asset_id for row in queries.page(shop.engine, queue, 1, 100)[0]]
    assert queries.total(shop.engine, queue) == len(shown)
    for here, following in zip(shown, shown[1:] + shown[:1], strict=True):
        assert queries.next_of(shop.engine, queue, here) == (following if len(shown) > 1 else None)


def test_two_versions_show_what_differs(shop: Shop):
    first = {"seed": 0, "views": {"steps": 1, "<i>": [1]}, "quality": {"review": 0.1}}
    second = {"seed": 0, "views": {"steps": 30}, "quality": {"review": 0.1}}
    assert differences(first, second) == [("views.<i>", [1], None), ("views.steps", 1, 30)]
    with writing(shop.engine) as session:
        session.add(RecipeRow(hash="s" * 64, name="other", parameters=first))
        session.get(RecipeRow, "r" * 64).parameters = second
        session.get(Asset, "asset-0000").recipe_hash = "s" * 64
    page = client_of(shop).get("/compare?a=asset-0000&b=asset-0001").text
    assert "<td>views.steps</td><td>1</td><td>30</td>" in page
    assert "<td>views.&lt;i&gt;</td>" in page
    assert "<td>seed</td>" not in page


def test_the_last_decision_on_each_asset_is_what_the_gate_learns_from(shop: Shop):
    assert queries.decisions(shop.engine) == []
    record_decision(shop.engine, "asset-0001", "approve", None, "Ann")
    record_decision(shop.engine, "asset-0003", "reject", None, "Ann")
    record_decision(shop.engine, "asset-0001", "reject", "looked again", "Bob")
    said = {metrics["input_psnr"]: approved for approved, metrics in queries.decisions(shop.engine)}
    assert said == {11.0: False, 13.0: False}


def test_ten_thousand_assets_are_paged_quickly(shop: Shop):
    many = range(10_000)
    products = [{"id": 1000 + i, "catalogue_id": 1, "sku": f"sku-{i:05d}", "name": f"Thing {i}"} for i in many]
    photos = [
        {
            "id": 1000 + i,
            "product_id": 1000 + i,
            "sha256": f"{i:064x}",
            "bytes": 1,
            "source_uri": "x",
            "file_stamp": "x",
        }
        for i in many
    ]
    rows = [
        {"id": f"many-{i:05d}", "product_id": 1000 + i, "photo_id": 1000 + i, "recipe_hash": "r" * 64, "model": "m",
         "plan_key": f"many{i:060d}", "status": "finished" if i % 3 else "review", "score": i / 10_000}
        for i in many
    ]  # fmt: skip
    with writing(shop.engine) as session:
        for table, values in ((Product, products), (Photo, photos), (Asset, rows)):
            session.execute(insert(table), values)
    client = client_of(shop)
    client.get("/")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for query in ("", "?page=150", "?q=thing+99", "?status=review&order=worst", "?low=0.5&order=best&page=20"):
        taken = []
        for _ in range(3):
            start = time.process_time()
            page = client.get("/" + query)
            taken.append(time.process_time() - start)
        assert page.status_code == 200
        assert page.text.count('class="card"') <= 60
        assert min(taken) < 0.3, query
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 16 * 1024, "KiB more than after the first page"


def test_the_export_opens_without_a_server(shop: Shop, tmp_path: Path):
    out = tmp_path / "export"
    assert export(shop.engine, shop.store, out, Filters()) == len(HOSTILE)
    index = (out / "index.html").read_text()
    folders = sorted(path.name for path in (out / "assets").iterdir())
    assert all(re.fullmatch(r"[0-9a-f]{20}", folder) for folder in folders)
    assert len(folders) == len(HOSTILE)
    for page in [out / "index.html", *out.glob("assets/*/index.html")]:
        for address in re.findall(r'(?:src|href)="([^"]*)"', page.read_text()):
            assert not address.startswith(("/", "http")), address
            assert (page.parent / address).is_file(), (page, address)
    assert "<script>alert" not in index
    assert 'action="/' not in index
    model = next(out.glob("assets/*/model.js")).read_text()
    assert model.startswith('window.MESHMILL_MODEL = "data:model/gltf-binary;base64,Z2xURg')
    assert not list(out.glob("**/evil*"))


def test_the_strip_and_the_list_show_what_there_is(shop: Shop):
    """A finished one its model; one that has nothing, no picture; from above the cube is red."""
    client = client_of(shop)
    assert client.get("/assets/asset-0000/thumbnail").headers["content-type"] == "image/png"
    assert client.get("/assets/asset-0007/thumbnail").status_code == 404
    top = np.asarray(Image.open(io.BytesIO(client.get("/assets/asset-0000/top.png").content)).convert("RGB")).astype(
        int
    )
    red = (top[..., 0] > 100) & (top[..., 1] < 90)
    assert 0.1 < red.mean() < 0.9
    assert client.get("/assets/asset-0007/top.png").status_code == 404


@pytest.mark.parametrize("half", ["navy", "orange"])
def test_a_refused_photo_is_shown_so_that_one_sees_why(shop: Shop, half: str):
    """Too small to build from, or one plain colour, and still the answer to what is wrong with it."""
    image = Image.new("RGB", (64, 64), "orange")
    image.paste(half, (32, 0, 64, 64))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    shop.store.put(data, f"objects/{sha256}", sha256, "image/png")
    with writing(shop.engine) as session:
        session.get(Photo, session.get(Asset, "asset-0007").photo_id).sha256 = sha256
        session.add(Artifact(kind="photo", key=f"objects/{sha256}", uri="x", sha256=sha256, bytes=len(data),
                             media_type="image/png"))  # fmt: skip
    client = client_of(shop)
    shown = Image.open(io.BytesIO(client.get("/assets/asset-0007/thumbnail").content))
    assert shown.convert("RGB").getpixel((20, 30)) == (255, 165, 0)
    assert '/assets/asset-0007/files/photo"' in client.get("/assets/asset-0007").text


def test_what_is_built_just_now_offers_no_decision(shop: Shop):
    with writing(shop.engine) as session:
        session.get(Asset, "asset-0001").status = "running"
    client = client_of(shop, Access(review=True))
    page = client.get("/assets/asset-0001").text
    assert 'id="approve"' not in page
    assert "nothing to decide yet" in page
    assert 'value="asset-0001"' not in client.get("/").text
    assert 'value="asset-0005"' in client.get("/").text


def test_the_photo_s_camera_sees_the_model_where_the_photo_shows_it(shop: Shop):
    """Turned and moved as the report says: the world's middle is what the camera looks at."""
    report = json.dumps({"placement": {"scale": 0.5, "offset": [0.1, 0.6, -0.2], "turn": 30.0}}).encode()
    sha256 = hashlib.sha256(report).hexdigest()
    shop.store.put(report, "objects/report", sha256, "application/json")
    row = {"stages": [{"stage": "views", "figures": {"elevation": {"degrees": 20.0}}}]}
    stored = Stored(1, "report", "objects/report", sha256, len(report), "application/json")
    camera = photo_camera(row, shop.store, stored)
    assert camera is not None
    assert camera["orbit"] == "30deg 70deg 1m"
    assert camera["target"] == "0.05m 0.3m -0.1m"
    assert photo_camera({"stages": []}, shop.store, stored) is None
    assert photo_camera(row, shop.store, None) is None


def test_what_was_decided_can_be_taken_back_once_and_only_while_it_stands(shop: Shop):
    """Readers get what they got before, the version that it replaced is there again."""
    set_status(shop.engine, "asset-0000", "finished")
    with writing(shop.engine) as session:
        session.get(Asset, "asset-0001").product_id = session.get(Asset, "asset-0000").product_id
    before = list(finished_assets(shop.engine))
    decided = record_decision(shop.engine, "asset-0001", "approve", None, "Ann")
    assert [row.asset_id for row in finished_assets(shop.engine)] == ["asset-0001"]
    assert to_json(lineage(shop.engine, "asset-0000"))["status"] == "superseded"
    assert take_back(shop.engine, decided.review_id, "Bob") == "asset-0001"
    assert list(finished_assets(shop.engine)) == before
    assert [to_json(lineage(shop.engine, f"asset-000{i}"))["status"] for i in (0, 1)] == ["finished", "review"]
    with pytest.raises(NotReviewable):
        take_back(shop.engine, decided.review_id, "Bob")
    first = record_decision(shop.engine, "asset-0001", "reject", None, "Ann")
    record_decision(shop.engine, "asset-0001", "approve", None, "Bob")
    with pytest.raises(NotReviewable):
        take_back(shop.engine, first.review_id, "Ann")
    assert queries.decisions(shop.engine) == [(True, {"input_psnr": 11.0})]


def test_a_better_photo_is_asked_for_and_what_is_published_stays(shop: Shop):
    set_status(shop.engine, "asset-0000", "finished")
    record_decision(shop.engine, "asset-0000", "better-photo", None, "Ann")
    row = to_json(lineage(shop.engine, "asset-0000"))
    assert (row["status"], row["reason"]) == ("failed", "A person asks for a better photo.")
    assert [row.asset_id for row in finished_assets(shop.engine)] == ["asset-0000"]


def test_who_overruled_what_and_comments_stay_visible(shop: Shop):
    access = Access(review=True)
    client = client_of(shop, access)
    record_decision(shop.engine, "asset-0001", "reject", "too <round>", "Ann")
    record_decision(shop.engine, "asset-0001", "approve", None, "Bob")
    answer = client.post(
        "/assets/asset-0001/comments", data={"secret": access.secret, "text": "ask <them>", "reviewer": "Cy"}
    )
    assert answer.status_code == 303
    assert client.post("/assets/asset-0001/comments", data={"text": "x"}).status_code == 403
    page = re.sub(r"</?b>", "", client.get("/assets/asset-0001").text)
    assert (
        page.index("Ann rejected it: too &lt;round&gt;") < page.index("Bob approved it") < page.index("Cy wrote: ask")
    )
    assert "Bob</b> approved it" in client.get("/").text


def test_several_are_decided_at_once_and_who_cannot_be_is_named(shop: Shop):
    access = Access(review=True)
    client = client_of(shop, access)
    form = {"secret": access.secret, "decision": "approve", "list": "?status=review", "reviewer": "Ann"}
    answer = client.post("/decisions", data=form | {"asset": ["asset-0001", "asset-0005"]})
    assert answer.headers["location"] == "/?status=review&did=1%2C2"
    assert "2 products are approved" in client.get("/?did=1,2").text
    answer = client.post("/decisions", data=form | {"asset": ["asset-0007", "asset-0001", "nothing"]})
    assert answer.status_code == 409
    assert "1 done, 2 not" in answer.text
    assert client.post("/decisions", data=form).status_code == 422
    assert client.post("/decisions", data=form | {"secret": "x", "asset": ["asset-0001"]}).status_code == 403
    assert client.post("/undo", data={"secret": "x", "reviews": "1"}).status_code == 403
    answer = client.post("/undo", data={"secret": access.secret, "reviews": "1,2,x"})
    assert answer.status_code == 409, "the first was decided again since"
    assert to_json(lineage(shop.engine, "asset-0005"))["status"] == "review"


def test_reasons_are_counted_and_narrow_the_list(shop: Shop):
    with writing(shop.engine) as session:
        for number, code in ((1, "separate_pieces"), (2, "separate_pieces"), (5, "leaning")):
            session.get(Asset, f"asset-{number:04d}").reasons = [{"code": code, "message": "x", "severity": "blocks"}]
    assert queries.reason_counts(shop.engine, Filters()) == [("separate_pieces", 2), ("leaning", 1)]
    client = client_of(shop)
    assert "The product is in separate pieces</span> 2" in client.get("/").text
    german = client.get("/", headers={"Accept-Language": "de"}).text
    assert '<span lang="de">Das Produkt zerfällt in mehrere Teile</span> 2' in german
    assert client.get("/?reason=separate_pieces").text.count('class="card"') == 2
    assert client.get("/?reason=eparate_piece").text.count('class="card"') == 0
    assert client.get("/?reason=%25").status_code == 422


@pytest.mark.parametrize("text", ["", "?order=evil&reason=%25&x=1", "?status=" + "y" * 5000, "//evil.example"])
def test_a_list_that_a_form_carries_leads_nowhere_else(shop: Shop, text: str):
    access = Access(review=True)
    fields = {"secret": access.secret, "decision": "approve", "list": text}
    answer = client_of(shop, access).post("/assets/asset-0001/review", data=fields)
    assert re.match(r"/(assets/asset-\d+)?\?", answer.headers["location"])


def test_loose_pieces_are_found_and_the_largest_is_none(shop: Shop):
    (mark,) = loose_pieces(two_boxes())
    assert abs(mark.y - 2) < 0.06
    assert abs(mark.x) < 0.06
    client = client_of(shop)
    one = client.get("/assets/asset-0000/pieces.json").json()
    assert one == [], "the cube is one piece, though its corners are not shared"
    assert client.get("/assets/asset-0007/pieces.json").status_code == 404


def test_who_decides_on_a_page_is_who_the_token_or_the_proxy_says(shop: Shop):
    users = tuple(
        User(name=name, role=role, token_sha256=token_hash(name + "-token"))  # type: ignore[arg-type]
        for name, role in (("Ann", "reviewer"), ("Ron", "reader"))
    )
    access = Access(review=True)

    def decided(people: People, token: str, headers: dict[str, str] | None = None) -> int:
        app = create_app(shop.engine, shop.store, access, people=people)
        client = TestClient(app, base_url=URL, follow_redirects=False)
        form = {"secret": access.secret, "decision": "approve", "reviewer": "Mallory", "token": token}
        return client.post("/assets/asset-0001/review", data=form, headers=headers).status_code

    known = People(users)
    assert decided(known, "") == decided(known, "Ron-token") == decided(known, "wrong") == 403
    assert decided(known, "Ann-token") == 303
    proxied = People(users, proxy_header="x-user")
    assert decided(proxied, "", {"x-user": "Ron"}) == decided(proxied, "", {"x-user": "nobody"}) == 403
    assert decided(proxied, "", {"x-user": "Ann"}) == 303
    assert [said["reviewer"] for said in to_json(lineage(shop.engine, "asset-0001"))["reviews"]] == ["Ann", "Ann"]
