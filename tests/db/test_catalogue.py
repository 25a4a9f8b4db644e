"""What changed in a catalogue since last time."""

from __future__ import annotations

from typing import Any

from db.catalogue import Changes, ensure_catalogue, sync_products
from db.found import FoundPhoto, FoundProduct, NotNow
from db.planning import candidates


def product(sku: str, *photos: tuple[str, str], **more: Any) -> FoundProduct:
    return FoundProduct(sku, sku, tuple(FoundPhoto(f"file:///{p}", print_, 1) for p, print_ in photos), **more)


def sync(
    engine: Any, products: list[FoundProduct], hashes: dict[str, str | NotNow], **more: Any
) -> tuple[Changes, list[str]]:
    asked: list[str] = []

    def read(photo: FoundPhoto) -> str | NotNow:
        asked.append(photo.source_uri)
        return hashes[photo.source_uri]

    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    return sync_products(engine, catalogue, products, read, **more), asked


def test_new_changed_unchanged_and_removed(engine: Any) -> None:
    first, _ = sync(engine, [product("a", ("a", "1")), product("b", ("b", "1"))], {"file:///a": "A", "file:///b": "B"})
    assert (first.new, first.unchanged) == (["a", "b"], 0)
    again, asked = sync(engine, [product("a", ("a", "1")), product("b", ("b", "1"))], {})
    assert (again.new, again.changed, again.unchanged, asked) == ([], [], 2, [])
    changed, asked = sync(engine, [product("a", ("a", "2"))], {"file:///a": "A2"}, allow_removal=True)
    assert (changed.changed, changed.removed, asked) == (["a"], ["b"], ["file:///a"])
    back, _ = sync(engine, [product("a", ("a", "2")), product("b", ("b", "1"))], {})
    assert back.new == ["b"]


def test_a_touched_file_with_the_same_bytes_is_unchanged_and_read_once(engine: Any) -> None:
    sync(engine, [product("a", ("a", "1"))], {"file:///a": "A"})
    touched, asked = sync(engine, [product("a", ("a", "2"))], {"file:///a": "A"})
    assert (touched.unchanged, asked) == (1, ["file:///a"])
    _, asked = sync(engine, [product("a", ("a", "2"))], {})
    assert asked == []


def test_a_photo_that_is_still_being_written_waits(engine: Any) -> None:
    waiting, _ = sync(engine, [product("a", ("a", "1"))], {"file:///a": NotNow("It is busy.")})
    assert (waiting.waiting, waiting.new, waiting.reasons) == (["a"], [], {"a": "It is busy."})
    ready, _ = sync(engine, [product("a", ("a", "2"))], {"file:///a": "A"})
    assert ready.new == ["a"]


def test_the_first_photo_is_the_one_to_build_from(engine: Any) -> None:
    hashes: dict[str, str | NotNow] = {"file:///front": "F", "file:///back": "B"}
    sync(engine, [product("a", ("front", "1"), ("back", "1"), height_cm=12.5)], hashes)
    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    page = candidates(engine, catalogue)
    assert [(c.photo_sha256, c.height_cm) for c in page] == [("F", 12.5)]
    sync(engine, [product("a", ("back", "1"), height_cm=12.5)], hashes)
    page = candidates(engine, catalogue)
    assert [c.photo_sha256 for c in page] == ["B"]


def test_candidates_come_in_pages_by_sku(engine: Any) -> None:
    products = [product(f"s{n:04}", (f"s{n:04}", "1")) for n in range(1500)]
    sync(engine, products, {p.photos[0].source_uri: p.sku for p in products})
    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    first = candidates(engine, catalogue)
    second = candidates(engine, catalogue, first[-1].sku)
    assert (len(first), len(second), candidates(engine, catalogue, second[-1].sku)) == (1000, 500, [])
    assert [c.sku for c in (*first, *second)] == [p.sku for p in products]
    assert candidates(engine, catalogue, limit=2) == first[:2]


def test_a_transaction_whose_answer_was_lost_may_be_asked_again(engine: Any) -> None:
    products = [product(f"s{n}", (f"s{n}", "1")) for n in range(3)]
    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    hashed: list[str] = []

    def read(photo: FoundPhoto) -> str:
        hashed.append(photo.source_uri)
        return photo.source_uri

    def twice(transaction: Any) -> Any:
        transaction()
        return transaction()

    first = sync_products(engine, catalogue, products, read, patience=twice)
    assert (len(hashed), first.unchanged) == (3, 3), "files are read once whatever happens to the transactions"
    assert [c.photo_sha256 for c in candidates(engine, catalogue)] == [p.photos[0].source_uri for p in products]
    gone = sync_products(engine, catalogue, products[:1], read, patience=twice, allow_removal=True)
    assert (gone.unchanged, len(candidates(engine, catalogue))) == (1, 1)


def test_two_runs_that_take_the_same_folder_in_at_once_make_each_product_once(engine: Any) -> None:
    """The second run ingests completely between the first one's look at the database and its writing."""
    products = [product(f"s{n}", (f"s{n}", "1")) for n in range(5)]
    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    late: list[Changes] = []

    def read(photo: FoundPhoto) -> str:
        if not late:
            late.append(Changes())
            late[0] = sync_products(engine, catalogue, products, lambda p: p.source_uri)
        return photo.source_uri

    first = sync_products(engine, catalogue, products, read)
    assert len(late[0].new) == 5
    assert (first.new, first.unchanged) == ([], 5)
    page = candidates(engine, catalogue)
    assert [c.sku for c in page] == [f"s{n}" for n in range(5)]
