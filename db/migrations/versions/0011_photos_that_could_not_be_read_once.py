"""Photos whose mount or permission failed once are read again: their sentence had been taken for their content."""

from __future__ import annotations

import errno
import hashlib
import os

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

CODES = ("EACCES", "EPERM", "EIO", "ESTALE", "ENOENT", "ENOTDIR", "EMFILE", "ENFILE", "ENOTCONN", "ETIMEDOUT", "ENOMEM")


def upgrade() -> None:
    for code in CODES:
        said = f"unreadable: The file cannot be opened: {os.strerror(getattr(errno, code))}."
        op.get_bind().execute(
            sa.text("UPDATE photo SET fingerprint = '' WHERE sha256 = :sha256"),
            {"sha256": hashlib.sha256(said.encode()).hexdigest()},
        )
