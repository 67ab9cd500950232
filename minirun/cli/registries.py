"""push, login, logout: Docker's words around registries and the credentials for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minirun.cli import progress, refused_options
from minirun.cli.printing import say
from minirun.engine import images
from minirun.errors import MinirunError, UsageError
from minirun.image import credentials, reference
from minirun.image.credentials import Credentials
from minirun.image.store import Store

if TYPE_CHECKING:
    from minirun.paths import Paths

_SERVER = click.argument("server", default=reference.DEFAULT_REGISTRY)

_UNENCRYPTED = """
WARNING! Your credentials are stored unencrypted in '{path}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/
"""


@click.command("push", short_help="Upload an image to a registry")
@refused_options.as_it_is("--disable-content-trust")
@click.option("-a", "--all-tags", is_flag=True, help="Push all tags of the repository.")
@click.option("--platform", default="", help="OS/ARCHITECTURE[/VARIANT] the image has to be for.")
@click.option("-q", "--quiet", is_flag=True, help="Print the image's name only.")
@click.argument("name", metavar="NAME[:TAG]")
@click.pass_obj
def push_command(paths: Paths, all_tags: bool, platform: str, quiet: bool, name: str) -> None:
    """Upload an image to the registry that its name begins with."""
    parsed, has_tag = reference.parse(name), ":" in name.rpartition("/")[2]
    if all_tags and has_tag:
        raise UsageError("tag can't be used with --all-tags/-a")
    if not all_tags and not has_tag and not quiet:
        say(f"Using default tag: {parsed.tag}")
    with progress.show(sys.stdout, quiet) as news:
        images.push(paths, name, news, all_tags=all_tags, platform=platform)
    if quiet:
        say(parsed.name if all_tags else str(parsed))


@click.command("login", short_help="Authenticate to a registry")
@click.option("-u", "--username", default="", help="Asked for when it is not given.")
@click.option("-p", "--password", default="", help="Everybody can see it with ps; asked for when not given.")
@click.option("--password-stdin", is_flag=True, help="Take the password from standard input.")
@_SERVER
@click.pass_obj
def login_command(paths: Paths, username: str, password: str, password_stdin: bool, server: str) -> None:
    """Check a user and a password with the registry SERVER (Docker Hub by default), and keep them."""
    from minirun.image.registry import log_in

    host = _host(server)
    given = _given(host, username, password, password_stdin)
    path = credentials.save(host, log_in(host, given, Store(paths).settings))
    if path:
        say(_UNENCRYPTED.format(path=path), err=True)
    say("Login Succeeded")


@click.command("logout", short_help="Log out from a registry")
@_SERVER
def logout_command(server: str) -> None:
    """Forget the user and the password for the registry SERVER (Docker Hub by default)."""
    host = _host(server)
    known = credentials.erase(host)
    say(f"Removing login credentials for {host}" if known else f"Not logged in to {host}")


def _host(server: str) -> str:
    """`https://HOST/v2/` is taken, too.  Raises UsageError when it is no host."""
    host = credentials.host_of(server)
    if reference.parse(f"{host}/name").registry != host:
        raise UsageError(f"{server!r} is not a registry", "minirun login HOST[:PORT]")
    return host


def _given(host: str, user: str, password: str, from_stdin: bool) -> Credentials:
    """Who is to log in: from the options, standard input, what is kept already, or by asking."""
    if ":" in user:
        raise UsageError(f"a user name cannot contain ':': {user!r}")
    if password and from_stdin:
        raise UsageError("conflicting options: cannot specify both --password and --password-stdin")
    if password:
        say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", err=True)
    if from_stdin:
        if not user:
            raise UsageError("the --password-stdin option requires --username to be set")
        password = sys.stdin.read().rstrip("\r\n")
    if not user and not password and (known := credentials.find(host)):
        say(f"Authenticating with existing credentials... [Username: {known.user}]")
        return known
    return _ask(user, password)


def _ask(user: str, password: str) -> Credentials:
    if not (user and password) and not sys.stdin.isatty():
        raise MinirunError(
            "cannot perform an interactive login from a non TTY device",
            "minirun login -u USER --password-stdin <FILE",
        )
    user = user or click.prompt("Username")
    return Credentials(user, password or click.prompt("Password", hide_input=True))
