"""Photos in: safe decoding of whatever a shop drops, upright, sRGB, straight alpha."""

from core.photos.decode import read_photo
from core.photos.duplicates import NEAR_DUPLICATE_DISTANCE, hash_distance, near_duplicate_hash
from core.photos.files import PHOTO_EXTENSIONS, find_photo_files, is_regular_photo_file
from core.photos.limits import PhotoLimits
from core.photos.names import display_name, safe_key

__all__ = [
    "NEAR_DUPLICATE_DISTANCE",
    "PHOTO_EXTENSIONS",
    "PhotoLimits",
    "display_name",
    "find_photo_files",
    "hash_distance",
    "is_regular_photo_file",
    "near_duplicate_hash",
    "read_photo",
    "safe_key",
]
