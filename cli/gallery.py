"""`meshmill gallery`: look at the assets in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import Json, open_factory, put_json, say, sentences
from cli.logs import json_wanted

app = typer.Typer(add_completion=False)


@app.command()
def gallery(
    serve: Annotated[int | None, typer.Option("--serve", min=0, max=65535, help="Serve pages on this port.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write pages that open from a disk.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind; beyond loopback pages ask for a login.")] = "127.0.0.1",
    login: Annotated[
        str | None,
        typer.Option(envvar="MESHMILL_GALLERY_LOGIN", help="USER:PASSWORD of all pages; made up beyond loopback."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A host name that it answers to, beyond its address.")
    ] = None,
    review: Annotated[bool, typer.Option("--review", help="Let people decide and mend here.")] = False,
    token: Annotated[
        str | None, typer.Option(envvar="MESHMILL_GALLERY_TOKEN", help="Token of decisions; made up where needed.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(envvar="MESHMILL_GALLERY_USERS", help="File of users and roles (`meshmill users`).")
    ] = None,
    proxy_header: Annotated[
        str | None, typer.Option("--proxy-header", help="Header in which a proxy names the user it has checked.")
    ] = None,
    audit: Annotated[
        Path | None, typer.Option("--audit", help="File to which every decision and refused request is appended.")
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option("--cors", help="Origin, or *, whose pages may show what is published; it needs no login then."),
    ] = None,
    status: Annotated[str | None, typer.Option(help="With --out: only assets of this status.")] = None,
    json: Json = False,
) -> None:
    """Serve the gallery on --serve PORT, or write it as files with --out DIR."""
    with sentences():
        from core.errors import InputError

        if (serve is None) == (out is None):
            raise InputError("Say either --serve PORT or --out DIR.")
        factory = open_factory()
        fixed = None if factory.settings.language == "auto" else factory.settings.language
        try:
            if out is not None:
                from db.gallery import Filters
                from gallery.export import export

                count = export(factory.engine, factory.store, out, Filters(status=status), fixed or "en")
                if json:
                    put_json({"out": str(out), "assets": count})
                else:
                    say(f"{count} assets in {out / 'index.html'}")
                return
            import secrets
            from functools import partial

            import uvicorn
            from uvicorn.config import LOGGING_CONFIG

            from gallery.api.people import People, checked_origins, read_users
            from gallery.app import LOOPBACK, Access, create_app
            from gallery.audit import Audited, AuditLog
            from gallery.mending import Builder
            from tasks.webhooks import Tell, post

            local = host in LOOPBACK
            if review and not local and not token:
                token = secrets.token_urlsafe(18)
                say(f"Decisions need this token: {token}")
            if login is not None and not all(login.partition(":")):
                raise InputError("The login is USER:PASSWORD.")
            if login is None and not local:
                login = f"meshmill:{secrets.token_urlsafe(18)}"
                say(f"Pages need this login: {login}")
            # Beyond loopback the login keeps foreign pages out; a list of names does it twice.
            hosts = (*LOOPBACK, host, *(name or ())) if local or name else ("*",)
            access = Access(review, token if review else None, hosts, login)
            say(f"http://{f'[{host}]' if ':' in host else host}:{serve}/ (Ctrl+C stops)")
            log = AuditLog(audit) if audit is not None else None
            tell: Tell = partial(post, factory.settings)
            tell = log.hears(tell) if log is not None else tell
            people = People(read_users(users) if users else (), proxy_header, checked_origins(cors or ()))
            app = create_app(factory.engine, factory.store, access, tell, Builder(factory), people, fixed)
            if log is not None:
                app.add_middleware(Audited, log=log)
            uvicorn.run(
                app,
                host=host,
                port=serve or 0,
                log_config=None if json_wanted() else LOGGING_CONFIG,
                log_level=None if json_wanted() else "warning",
            )
        finally:
            factory.close()
