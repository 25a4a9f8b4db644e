"""Ingestion's eyes: which files count, what is never opened, how names survive."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import UnreadablePhoto
from core.photos import display_name, find_photo_files, is_regular_photo_file, read_photo, safe_key


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "outside" / "mug.png"
    path.parent.mkdir()
    Image.effect_noise((256, 256), 80).save(path)
    return path


def test_links_pipes_sockets_devices_and_folders_are_no_photos(tmp_path: Path, photo: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "folder.jpg").mkdir(parents=True)
    (folder / "real.JPG").write_bytes(photo.read_bytes())
    (folder / "notes.txt").write_text("no photo")
    (folder / "._real.jpg").write_bytes(b"Finder's shadow")
    (folder / "link.png").symlink_to(photo)
    (folder / "away").symlink_to(photo.parent)
    (folder / "device.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
        assert list(find_photo_files(folder)) == [folder / "real.JPG"]
    assert not is_regular_photo_file(folder / "missing.jpg")
    assert not is_regular_photo_file(Path("nul\0l.jpg"))


@pytest.mark.timeout(20)
def test_reading_one_anyway_is_refused_at_once(tmp_path: Path, photo: Path) -> None:
    link, pipe = tmp_path / "link.png", tmp_path / "pipe.jpg"
    link.symlink_to(photo)
    os.mkfifo(pipe)
    assert read_photo(photo).rgba.shape == (256, 256, 4)
    for path in (link, pipe, Path("/dev/zero"), tmp_path, tmp_path / "missing.jpg"):
        with pytest.raises(UnreadablePhoto):
            read_photo(path)


HOSTILE = [
    "new\nline.jpg",
    "quo\"te's.jpg",
    "..",
    "../../etc/passwd",
    "\u202egpj.exe",
    "a" * 255,
    os.fsdecode(b"latin1-\xe9.jpg"),
    "naïve mug ☕ ; rm -rf $(x) ..%2f.jpg",
    "null",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_harmless_keys_and_one_line_of_text(name: str) -> None:
    key, shown = safe_key(name), display_name(name)
    assert key.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
    assert 1 <= len(key) <= 64
    assert shown.isprintable() or shown == ""
    shown.encode("utf-8")
    assert "\n" not in shown
    assert "\u202e" not in shown


def test_readable_names_stay_readable() -> None:
    assert display_name("Tasse größe 2 ☕.jpg") == "Tasse größe 2 ☕.jpg"
    assert safe_key("Mug Red.JPG").startswith("mug-red-jpg-")


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_unlike_names_stay_unlike(first: str, second: str) -> None:
    if first != second and all(os.fsencode(n) is not None for n in (first, second) if _encodable(n)):
        assert display_name(first) != display_name(second)
        if _encodable(first) and _encodable(second):
            assert safe_key(first) != safe_key(second)


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def test_a_file_of_a_hostile_name_is_read(tmp_path: Path, photo: Path) -> None:
    for name in (b"new\nline.png", b"latin1-\xe9.png", b"\xe2\x80\xaegnp.png", b"x" * 251 + b".png"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(photo.read_bytes())
        assert is_regular_photo_file(path)
        assert read_photo(path).rgba.shape == (256, 256, 4)
