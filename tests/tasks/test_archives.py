"""ZIP files: photos in them are a catalogue; what leads out of the folder, or is a bomb, is refused."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from test_ingest import brief, picture, rows

from core.errors import InputError
from tasks import archives
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.settings import Settings


@pytest.fixture
def factory(tmp_path: Path) -> Any:
    opened = open_factory(Settings(home=tmp_path / "home"))
    yield opened
    opened.close()


def pack(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def shots(top: str = "") -> dict[str, bytes]:
    names = ("TEA_front.png", "TEA_back.png", "cap.png")
    return {top + name: picture(200 + n, 200) for n, name in enumerate(names)}


@pytest.mark.parametrize("top", ["", "photos/"])
def test_a_zip_shows_what_the_folder_showed(factory: Factory, tmp_path: Path, top: str) -> None:
    files = shots(top) | {"__MACOSX/._cap.png": b"x", "__MACOSX/photos/._cap.png": b"x", top + "notes.txt": b"x"}
    archive = pack(tmp_path / "photos.zip", files)
    _, first = ingest_source(factory, str(archive))
    assert brief(first) == {"new": ["TEA", "cap"]}
    _, second = ingest_source(factory, str(archive))
    assert brief(second) == {"unchanged": 2}
    pack(archive, shots(top) | {top + "cap.png": picture(300, 200)})
    _, third = ingest_source(factory, str(archive))
    assert brief(third) == {"changed": ["cap"], "unchanged": 1}
    pack(archive, {top + "TEA_front.png": picture(200, 200), top + "hat.png": picture(201, 200)})
    _, fourth = ingest_source(factory, str(archive), allow_removal=True)
    assert fourth.removed == ["cap"]
    assert list((tmp_path / "home" / "unpacked").rglob("cap.png")) == []


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png", "C:\\evil.png", "a/../../evil.png", "..\\evil.png"])
def test_nothing_is_written_outside(factory: Factory, tmp_path: Path, name: str) -> None:
    _, changes = ingest_source(factory, str(pack(tmp_path / "shop.zip", {name: picture(200, 200)})))
    assert len(changes.new) == 1
    found = [Path(root, file) for root, _, files in os.walk(tmp_path) for file in files if file == "evil.png"]
    assert [path.is_relative_to(tmp_path / "home" / "unpacked") for path in found] == [True]


def test_links_in_it_are_passed_over(factory: Factory, tmp_path: Path) -> None:
    archive = tmp_path / "shop.zip"
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(link, "/etc/passwd")
        opened.writestr("cap.png", picture(200, 200))
    assert ingest_source(factory, str(archive))[1].new == ["cap"]


def test_a_bomb_is_not_opened(factory: Factory, tmp_path: Path) -> None:
    archive = pack(tmp_path / "bomb.zip", {f"{n}.png": b"\0" * (32 << 20) for n in range(10)})
    with pytest.raises(InputError, match="far more than its photos"):
        ingest_source(factory, str(archive))
    assert not (tmp_path / "home" / "unpacked").exists()


def test_too_many_pictures_are_refused(factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(InputError, match="holds 3 pictures"):
        ingest_source(factory, str(pack(tmp_path / "shop.zip", shots())))


def test_an_oversized_picture_is_named_and_the_others_are_taken(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    files = {"big.png": os.urandom(5000), "cap.png": picture(200, 200)}
    ingest_source(factory, str(pack(tmp_path / "shop.zip", files)))
    assert rows(factory)["big.png"][0] is None
    assert rows(factory)["cap.png"][0] == 200


def test_a_damaged_picture_in_it_does_not_spoil_the_others(factory: Factory, tmp_path: Path) -> None:
    archive = pack(tmp_path / "shop.zip", {"a.png": os.urandom(3000), "cap.png": picture(200, 200)}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[100] ^= 0xFF
    archive.write_bytes(bytes(data))
    assert ingest_source(factory, str(archive))[1].new == ["a", "cap"]
    assert rows(factory)["cap.png"][0] == 200


def test_names_that_say_utf8_only_by_their_bytes_are_read(factory: Factory, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Tasse grXn.png", picture(200, 200))
    data = buffer.getvalue().replace(b"Tasse grXn.png", "Tasse grü.png".encode())
    (tmp_path / "shop.zip").write_bytes(data)
    assert ingest_source(factory, str(tmp_path / "shop.zip"))[1].new == ["Tasse grü"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all" * 100])
def test_what_is_no_zip_is_a_sentence(factory: Factory, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "shop.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"shop\.zip cannot be read as a ZIP file"):
        ingest_source(factory, str(tmp_path / "shop.zip"))


def test_a_password_is_a_sentence(factory: Factory, tmp_path: Path) -> None:
    archive = pack(tmp_path / "shop.zip", {"cap.png": picture(200, 200)}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    archive.write_bytes(bytes(data))
    with pytest.raises(InputError, match="protected by a password"):
        ingest_source(factory, str(archive))
