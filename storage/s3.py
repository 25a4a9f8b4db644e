"""S3 and MinIO as the store, through the `minio` client."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from core.errors import ObjectMissing, StoreDown, StoreRefused
from storage.store import CHUNK, Entry, check_key

if TYPE_CHECKING:
    from minio import Minio

PART = 16 << 20
"""Bytes a part of a multipart upload; smaller objects go up in one request."""

MISSING = {"NoSuchKey", "NoSuchObject"}

_KEYS = "check MESHMILL_S3_ACCESS_KEY and MESHMILL_S3_SECRET_KEY (or AWS_*, or the role) and what they may do there"
_FULL = "there is no room left: free some, or raise its quota"

REFUSALS = {
    "NoSuchBucket": "there is no such bucket: check its name; `meshmill store create` makes the store's",
    "InvalidBucketName": "the bucket's name is not valid there: check MESHMILL_STORE_URL",
    "PermanentRedirect": "the bucket lies at another endpoint: check MESHMILL_S3_ENDPOINT and MESHMILL_S3_REGION",
    "AuthorizationHeaderMalformed": "the bucket lies in another region: check MESHMILL_S3_REGION",
    "RequestTimeTooSkewed": "this machine's clock and the store's differ too much: set the clock, for example by NTP",
    "RequestExpired": "this machine's clock and the store's differ too much: set the clock, for example by NTP",
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
} | dict.fromkeys(
    (
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
        "UserSuspended",
    ),
    _KEYS,
)
"""Answers that waiting does not change, and what does."""


class S3Store:
    """Objects below ``bucket/prefix``. An S3 object appears whole or not at all, so no temporary key is needed."""

    def __init__(self, client: Minio, bucket: str, prefix: str = "", endpoint: str = "the endpoint") -> None:
        self.client, self.bucket, self.prefix, self.endpoint = client, bucket, prefix.strip("/"), endpoint

    def _name(self, key: str) -> str:
        """Photos are read under any key that their owner gave them; what is written or deleted is checked before."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def ensure_bucket(self) -> None:
        """Create the bucket where it is missing."""
        with self._translated("reach the bucket"):
            if not self.client.bucket_exists(self.bucket):
                self.client.make_bucket(self.bucket)

    def put(self, source: Path | bytes, key: str, sha256: str, media_type: str) -> None:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        name = self._name(check_key(key))
        with self._translated(f"store {key}"):
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
        with self._translated(f"read {key}"):
            response = self.client.get_object(self.bucket, self._name(key))
            try:
                yield cast(BinaryIO, response)
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int | None:
        try:
            with self._translated(f"look for {key}"):
                return self.client.stat_object(self.bucket, self._name(key)).size
        except (ObjectMissing, StoreRefused):
            pass  # a HEAD's answer has no body: what it means, and whether a store said it at all, a GET's XML tells
        try:
            with self.open(key) as stream:
                return int(cast(Any, stream).headers["Content-Length"])
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        with self._translated(f"delete {key}"):
            self.client.remove_object(self.bucket, self._name(check_key(key)))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        start = f"{self.prefix}/" if self.prefix else ""
        with self._translated(f"list {prefix or 'the store'}"):
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
        with self._translated(f"sign {key}"):
            return self.client.presigned_get_object(self.bucket, self._name(key), timedelta(seconds=seconds))

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Every way that the client fails, as :class:`ObjectMissing`, :class:`StoreRefused` or :class:`StoreDown`."""
        from xml.etree.ElementTree import ParseError

        from minio.error import InvalidResponseError, MinioException, S3Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except S3Error as error:
            raise self._answered(doing, error.code or "nothing") from error
        except (InvalidResponseError, ParseError, UnicodeDecodeError) as error:
            # Minimal servers send their XML under a type that the client does not take for XML.
            code = re.search(r"<Code>(\w+)</Code>", str(error))
            if code is not None:
                raise self._answered(doing, code[1]) from error
            status = re.search(r"code: (\d+)", str(error))
            raise StoreDown(
                f"Cannot {doing}: what answers at {self.endpoint}{f' ({status[1]})' if status else ''} is no S3 store. "
                "Check MESHMILL_S3_ENDPOINT, and any balancer or proxy before the store."
            ) from error
        except (MinioException, HTTPError, OSError) as error:
            raise StoreDown(f"Cannot {doing}: the store does not answer ({type(error).__name__}).") from error

    def _answered(self, doing: str, code: str) -> Exception:
        if code in MISSING:
            return ObjectMissing(f"Cannot {doing}: it is not in the store.")
        if code in REFUSALS:
            return StoreRefused(f"The store refuses bucket '{self.bucket}' ({code}): {REFUSALS[code]}.")
        return StoreDown(f"Cannot {doing}: the store answered {code}.")


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


def open_s3(
    bucket: str,
    prefix: str,
    endpoint: str,
    access_key: str | None,
    secret_key: str | None,
    region: str | None = None,
    session_token: str | None = None,
) -> S3Store:
    """A store at ``endpoint`` (``http://host:port`` or ``https://…``). Talks to nobody yet.

    Without keys those of the surroundings are taken (:mod:`storage.credentials`), and ``AWS_REGION`` with them.

    Raises ``ValueError`` for what cannot be a bucket's name or a store's prefix.
    """
    import urllib3
    from minio import Minio
    from minio.credentials.providers import Provider
    from minio.helpers import check_bucket_name

    from storage.credentials import keys_of_surroundings

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
    keys = None if access_key else keys_of_surroundings(endpoint)
    if keys is not None:
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    client = Minio(
        host,
        access_key,
        secret_key,
        session_token,
        secure=secure,
        region=region or "us-east-1",
        http_client=pool,
        credentials=cast(Provider | None, keys),
    )
    return S3Store(client, bucket, prefix, endpoint)
