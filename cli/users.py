"""`meshmill users`: who may do what over HTTP, in a small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import Json, put_json, say, sentences

app = typer.Typer(add_completion=False, help="List, add and remove users of the HTTP API, kept in a small file.")

UsersFile = Annotated[
    Path, typer.Option("--file", envvar="MESHMILL_GALLERY_USERS", help="The users' file of `meshmill gallery --users`.")
]


@app.command("list")
def list_users(file: UsersFile, json: Json = False) -> None:
    """Who is in the file, and the role of each."""
    with sentences():
        from gallery.api.people import read_users

        users = [{"name": user.name, "role": user.role} for user in read_users(file)]
    if json:
        put_json(users)
    else:
        for user in users:
            typer.echo(f"{user['role']:9} {user['name']}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How decisions are signed.")],
    file: UsersFile,
    role: Annotated[str, typer.Option("--role", help="reader or reviewer.")] = "reviewer",
    json: Json = False,
) -> None:
    """Add a user, or give one a new token or role; the token is shown once and kept only as a hash."""
    with sentences():
        import secrets

        from core.errors import InputError
        from gallery.api.people import ROLES, User, read_users, token_hash, write_users

        if role not in ROLES:
            raise InputError(f"There is no role '{role}': it is one of {', '.join(ROLES)}.")
        token = secrets.token_urlsafe(32)
        others = tuple(user for user in (read_users(file) if file.exists() else ()) if user.name != name)
        write_users(
            file, (*others, User.model_validate({"name": name, "role": role, "token_sha256": token_hash(token)}))
        )
    if json:
        put_json({"name": name, "role": role, "token": token})
    else:
        say(f"{name} may act as {role} with this token, which is not shown again:")
        typer.echo(token)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Whose token shall end.")], file: UsersFile) -> None:
    """Remove a user; a running gallery must be started again to forget the token."""
    with sentences():
        from core.errors import NotFound
        from gallery.api.people import read_users, write_users

        users = read_users(file)
        left = tuple(user for user in users if user.name != name)
        if len(left) == len(users):
            raise NotFound(f"There is no user '{name}' in {file}.")
        write_users(file, left)
    say(f"{name} is removed.")
