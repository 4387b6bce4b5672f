"""The options of all commands."""

from __future__ import annotations

import argparse
import os

from . import checkpoints, servers


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elastic-spawner",
        description="Resize notebook servers without losing their sessions, and look after the checkpoints.",
        epilog="exit status: 0 done, 1 did not go through, 2 bad input",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _resize(commands)
    _status(commands)
    _inspect(commands)
    _verify(commands)
    _gc(commands)
    commands.add_parser("demo", help="the whole chain on this machine: a hub, a notebook, a resize", add_help=False)
    return parser


def _resize(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "resize",
        help="move a running server to another size",
        description="Move a running server to another size, and show what became of each variable.",
    )
    parser.add_argument("server", metavar="USER[/SERVER]", help="whose server, and which one unless it has no name")
    parser.add_argument("--memory", metavar="SIZE", help="such as 2G or 512M (units of 1024); default: as it is")
    parser.add_argument("--cpus", type=float, metavar="N", help="number of CPUs; default: as it is")
    parser.add_argument(
        "--on-busy",
        choices=("refuse", "interrupt"),
        help="what to do about a cell that still runs when time is up; default: as the hub is configured",
    )
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="move although variables will be lost that can be neither stored nor recomputed; default: the move is "
        "refused then, which names them, unless the hub is configured otherwise",
    )
    parser.add_argument("--deadline", type=float, metavar="SECONDS", help="time in which all kernels are to be saved")
    parser.add_argument("--no-wait", action="store_true", help="begin the move, and do not wait for its end")
    _hub_options(parser)
    parser.set_defaults(run=servers.resize)


def _status(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "status",
        help="servers, their sizes and last checkpoints; or the kernels of one server",
        description="List the servers that you may see, or the kernels of one of them.",
    )
    parser.add_argument("server", nargs="?", metavar="USER[/SERVER]", help="show the kernels of this server")
    _hub_options(parser)
    parser.set_defaults(run=servers.status)


def _inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "inspect",
        help="what a checkpoint holds, without loading it",
        description="Show what a checkpoint holds. Nothing is loaded, so this is safe with any checkpoint.",
    )
    _checkpoint_options(parser)
    parser.add_argument("--session", metavar="NAME", help="show the variables and cells of this session")
    parser.add_argument("--generation", type=int, metavar="N", help="of this generation rather than the newest")
    parser.set_defaults(run=checkpoints.inspect)


def _verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="hash every chunk of a checkpoint again, and check its signature",
        description="Read every chunk of the newest checkpoint of each session, and compare it with its hash. "
        "With a key, check the signature too. Nothing is loaded.",
    )
    _checkpoint_options(parser)
    parser.add_argument("--session", metavar="NAME", help="this session only")
    parser.add_argument("--generation", type=int, metavar="N", help="this generation rather than the newest")
    parser.add_argument("--all", action="store_true", help="every generation")
    parser.set_defaults(run=checkpoints.verify)


def _gc(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "gc",
        help="delete old generations and what nothing needs any more",
        description="Delete old generations and the chunks that nothing needs any more. Safe while servers are saving.",
    )
    _checkpoint_options(parser)
    parser.add_argument("--keep", type=int, default=2, metavar="N", help="generations to keep (default: %(default)s)")
    parser.add_argument(
        "--grace",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="leave chunks alone that are younger, for a save under way may need them (default: %(default)g)",
    )
    parser.add_argument("--dry-run", action="store_true", help="delete nothing, and say what would be deleted")
    parser.set_defaults(run=checkpoints.gc)


def _hub_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the hub")
    group.add_argument(
        "--hub-url",
        metavar="URL",
        default=_environment("JUPYTERHUB_URL", "JUPYTERHUB_PUBLIC_HUB_URL") or "http://127.0.0.1:8000",
        help="its public address (default: JUPYTERHUB_URL, here %(default)s)",
    )
    group.add_argument(
        "--token",
        default=_environment("JUPYTERHUB_API_TOKEN"),
        help="an API token (default: JUPYTERHUB_API_TOKEN, which others on this machine cannot see)",
    )
    group.add_argument("--service", default="elastic", metavar="NAME", help="the service's name (default: %(default)s)")
    _json_option(parser)


def _checkpoint_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="CHECKPOINT", help="file:///directory, a plain path, or s3://bucket/prefix")
    group = parser.add_argument_group("the key that signed it; without one the signature is not checked")
    group.add_argument(
        "--key-file", metavar="FILE", help="the server's key in hexadecimal (default: ELASTIC_SPAWNER_SECRET)"
    )
    group.add_argument("--hub-secret-file", metavar="FILE", help="the hub's secret, with --owner: an admin's way")
    group.add_argument("--owner", metavar="USER[/SERVER]", help="whose checkpoint it is")
    _json_option(parser)


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _environment(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
