"""Loopback is never proxied: our servers listen there, and a shop's proxy cannot reach this machine's own ports."""

from __future__ import annotations

import os
from importlib.util import find_spec

from core.errors import InputError

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
HOSTS = ("127.0.0.1", "localhost", "::1")


def spare_loopback() -> None:
    """Where a proxy is set, add loopback to ``NO_PROXY``, in both spellings; libraries differ in which they read."""
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES):
        return
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name) or os.environ.get(name.swapcase()) or ""
        hosts = [host.strip() for host in given.split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[name] = ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])


def check_proxies() -> None:
    """Raises :class:`InputError` for a SOCKS proxy that Prefect's client has no package for: it would not start."""
    for name in (*PROXIES, *(name.upper() for name in PROXIES)):
        if os.environ.get(name, "").lower().startswith("socks") and find_spec("socksio") is None:
            raise InputError(
                f"{name} names a SOCKS proxy, which needs one more package: pip install socksio, or unset the variable."
            )
