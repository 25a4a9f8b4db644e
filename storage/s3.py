"""S3 and MinIO as the store, through the `minio` client."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from storage.store import CHUNK, Entry, ObjectMissing, StoreDown, check_key

if TYPE_CHECKING:
    from minio import Minio

PART = 16 << 20
"""Bytes a part of a multipart upload; smaller objects go up in one request."""

MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchBucket", "ResourceNotFound"}


class S3Store:
    """Objects below ``bucket/prefix``. An S3 object appears whole or not at all, so no temporary key is needed."""

    def __init__(self, client: Minio, bucket: str, prefix: str = "") -> None:
        self.client, self.bucket, self.prefix = client, bucket, prefix.strip("/")

    def _name(self, key: str) -> str:
        """Photos are read under any key that their owner gave them; what is written or deleted is checked before."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def ensure_bucket(self) -> None:
        """Create the bucket where it is missing."""
        with _translated("reach the bucket"):
            if not self.client.bucket_exists(self.bucket):
                self.client.make_bucket(self.bucket)

    def put(self, source: Path | bytes, key: str, sha256: str, media_type: str) -> None:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        name = self._name(check_key(key))
        with _translated(f"store {key}"):
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
                hashing = _Hashing(stream)
                result = self.client.put_object(
                    self.bucket, name, cast(BinaryIO, hashing), size, media_type, part_size=PART
                )
            if hashing.sha256.hexdigest() != sha256:
                self.client.remove_object(self.bucket, name)
                raise StoreDown(f"The object {key} changed while it was being stored.")
            # One-part ETags are the md5 of what arrived; others say nothing, so those objects are read back.
            if (result.etag or "").strip('"') != hashing.md5.hexdigest() and self._read_back(key) != sha256:
                self.client.remove_object(self.bucket, name)
                raise StoreDown(f"The object {key} arrived damaged in the store.")

    def _read_back(self, key: str) -> str:
        digest = hashlib.sha256()
        with self.open(key) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        with _translated(f"read {key}"):
            response = self.client.get_object(self.bucket, self._name(key))
            try:
                yield cast(BinaryIO, response)
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int | None:
        try:
            with _translated(f"look for {key}"):
                return self.client.stat_object(self.bucket, self._name(key)).size
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        with _translated(f"delete {key}"):
            self.client.remove_object(self.bucket, self._name(check_key(key)))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        start = f"{self.prefix}/" if self.prefix else ""
        with _translated(f"list {prefix or 'the store'}"):
            for item in self.client.list_objects(self.bucket, prefix=start + prefix, recursive=True):
                if item.object_name and not item.is_dir:
                    modified = item.last_modified.timestamp() if item.last_modified else 0.0
                    yield Entry(
                        item.object_name.removeprefix(start), item.size or 0, (item.etag or "").strip('"'), modified
                    )

    def unfinished(self) -> Iterator[Entry]:
        return iter(())  # the client cannot list them: the bucket's lifecycle rule ends them

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._name(key)}"

    def link(self, key: str, seconds: int = 3600) -> str:
        with _translated(f"sign {key}"):
            return self.client.presigned_get_object(self.bucket, self._name(key), timedelta(seconds=seconds))


class _Hashing:
    """A stream that hashes what is read from it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        data = cast(bytes, self.stream.read(size))
        self.sha256.update(data)
        self.md5.update(data)
        return data


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Every way that the client fails, as :class:`ObjectMissing` or :class:`StoreDown`."""
    from xml.etree.ElementTree import ParseError

    from minio.error import InvalidResponseError, MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        if error.code in MISSING:
            raise ObjectMissing(f"Cannot {doing}: it is not in the store.") from error
        raise StoreDown(f"Cannot {doing}: the store answered {error.code}.") from error
    except InvalidResponseError as error:
        if "code: 404" in str(error):  # minimal servers answer in a type that the client does not take for XML
            raise ObjectMissing(f"Cannot {doing}: it is not in the store.") from error
        raise StoreDown(f"Cannot {doing}: the store's answer is not understood.") from error
    except ParseError as error:
        raise StoreDown(f"Cannot {doing}: the store's answer is not understood.") from error
    except (MinioException, HTTPError, OSError) as error:
        raise StoreDown(f"Cannot {doing}: the store does not answer ({type(error).__name__}).") from error


def open_s3(
    bucket: str,
    prefix: str,
    endpoint: str,
    access_key: str | None,
    secret_key: str | None,
    region: str | None = None,
) -> S3Store:
    """A store at ``endpoint`` (``http://host:port`` or ``https://…``). Talks to nobody yet.

    Raises ``ValueError`` for what cannot be a bucket's name or a store's prefix.
    """
    import urllib3
    from minio import Minio
    from minio.helpers import check_bucket_name

    try:
        check_bucket_name(bucket)
    except ValueError as error:
        raise ValueError(f"The {str(error).strip()}.") from error
    try:
        prefix = prefix.strip("/") and check_key(prefix.strip("/"))
    except ValueError as error:
        raise ValueError(f"{prefix!r} cannot be the prefix of a store.") from error

    secure = not endpoint.startswith("http://")
    host = endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")
    retry = urllib3.Retry(total=4, backoff_factor=0.3, status_forcelist=[500, 502, 503, 504])
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=60), retries=retry, maxsize=16)
    return S3Store(
        Minio(host, access_key, secret_key, secure=secure, region=region or "us-east-1", http_client=pool),
        bucket,
        prefix,
    )
