"""Where the keys of an S3 server come from: the settings, else what AWS' own tools take, else nobody is asked for any.

In AWS' order: ``AWS_ACCESS_KEY_ID`` with ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``; a profile of the
credentials file; a role: of a web identity (``AWS_WEB_IDENTITY_TOKEN_FILE``, ``AWS_ROLE_ARN``), of a container
(``AWS_CONTAINER_CREDENTIALS_*``), of the instance. The instance is asked only for AWS' own endpoints, or where
``AWS_EC2_METADATA_SERVICE_ENDPOINT`` names it: elsewhere nobody would answer. What expires is fetched anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import StoreDown, StoreRefused

if TYPE_CHECKING:
    from minio.credentials.credentials import Credentials
    from minio.credentials.providers import Provider

AWS = (".amazonaws.com", ".amazonaws.com.cn")


class Keys:
    """A provider of minio's whose failures are the store's, in one sentence. ``source`` is for people."""

    def __init__(self, provider: Provider, source: str) -> None:
        self._provider, self.source = provider, source

    def retrieve(self) -> Credentials:
        """Raises :class:`StoreRefused` where there are none, :class:`StoreDown` where nobody answers."""
        from urllib3.exceptions import HTTPError

        try:
            return self._provider.retrieve()
        except (ValueError, KeyError, TypeError) as error:
            raise StoreRefused(f"There are no keys for the store from {self.source}: {error}.") from error
        except (HTTPError, OSError) as error:
            raise StoreDown(f"The keys for the store cannot be fetched from {self.source} now: {error}.") from error


def keys_of_surroundings(endpoint: str) -> Keys | None:
    """For a server at ``endpoint`` whose settings name no keys; None: its objects are read by everybody."""
    from minio.credentials.providers import AWSConfigProvider, EnvAWSProvider

    given = os.environ.get
    if given("AWS_ACCESS_KEY_ID") or given("AWS_SECRET_ACCESS_KEY"):
        return Keys(EnvAWSProvider(), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    file = Path(given("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    profile = given("AWS_PROFILE")
    if profile or given("AWS_SHARED_CREDENTIALS_FILE"):
        return Keys(AWSConfigProvider(str(file), profile), f"the profile {profile or 'default'} of {file}")
    if given("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return Keys(_role(given("AWS_ENDPOINT_URL_STS")), f"the role {given('AWS_ROLE_ARN')} of a web identity")
    if given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or given("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return Keys(_role(None), "the container's role")
    aws = (urlsplit(endpoint).hostname or "").endswith(AWS)
    if aws and file.is_file():
        return Keys(AWSConfigProvider(str(file), "default"), f"the profile default of {file}")
    metadata = given("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    if (aws or metadata) and given("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
        return Keys(_role(metadata), "the instance's role")
    return None


def _role(endpoint: str | None) -> Provider:
    """Soon tired: who is on no instance must not wait for one."""
    import urllib3
    from minio.credentials.providers import IamAwsProvider

    retry = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    client = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=5), retries=retry)
    return IamAwsProvider(custom_endpoint=(endpoint or "").rstrip("/") or None, http_client=client)
