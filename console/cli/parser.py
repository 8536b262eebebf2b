"""What a command line may say. Only the standard library is imported, so that help is quick."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from console.actions import COMMANDS
from console.cli.exits import Exit, UsageError

DEFAULT_PLACE: Final = "data/workflows"
STORE_VARIABLE: Final = "FLOWDECK_STORE"
SORTS: Final = ("problem", "created", "updated", "age", "id")

_TAKING_VALUES: Final = ("--store", "--where", "--reason", "--if-rev", "--request-id", "--to", "--set", "--limit")

_OTHER_VERSIONS: Final = ("pause", "resume", "extend", "undo", "alerts", "watch", "export", "metrics")
"""Verbs that this version does not have; without a word about it they would be taken for directories."""

_FOOT: Final = """\
--where takes the console's filter line: state:failed err:timeout age>5m owner:svc !text /re/ is:problem
exit codes: 0 done, 2 usage, 3 not found, 4 conflict, 5 locked, 6 refused, 7 not verified,
            8 batch partly done, 9 store unsafe
verify answers 9 where the ledger or a chain is broken, 7 where anything else does not agree;
doctor answers 7 for a warning and 9 for an error
"""


class Parser(argparse.ArgumentParser):
    """A parser that reports as everything else does: a sentence, raised."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message}. Nothing was done; see {self.prog} --help")


def overview() -> str:
    """Return the text of ``flowdeck --help``."""
    width = max(map(len, COMMANDS))
    verbs = "\n".join(f"  {verb.ljust(width)}  {words}" for verb, words in COMMANDS.items())
    return (
        "usage: flowdeck [DIR | URL] [--read-only] [--supervise] [--utc] [--ascii] [--theme NAME]\n"
        "       flowdeck VERB ... [--store DIR | URL] [--json] ...\n       flowdeck --version\n\n"
        "Without a verb the console opens on a store of workflow documents "
        f"(default: {STORE_VARIABLE}, else {DEFAULT_PLACE}).\n\n"
        f"verbs (flowdeck VERB --help says more):\n{verbs}\n\n{_FOOT}"
    )


def find_verb(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the verb among ``words`` and the words without it; options may stand before it.

    Raises:
        UsageError: it is a verb of another version, and no directory either.
    """
    is_value = False
    for at, word in enumerate(words):
        if is_value:
            is_value = False
        elif word == "--":
            break
        elif word.startswith("-"):
            is_value = word in _TAKING_VALUES or word == "--theme"
        elif word in COMMANDS:
            return word, [*words[:at], *words[at + 1 :]]
        elif word in _OTHER_VERSIONS and not os.path.isdir(word):  # noqa: PTH112  help loads no more than it must
            raise UsageError(f"{word!r} is not a verb of this version.")
        else:
            break
    return None, list(words)


def console_parser() -> Parser:
    """Return the parser of a command line without a verb."""
    parser = Parser(prog="flowdeck", add_help=False, allow_abbrev=False)
    parser.add_argument("place", nargs="?")
    parser.add_argument("--store", metavar="DIR|URL")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--supervise", action="store_true")
    parser.add_argument("--utc", action="store_true")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--theme")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    return parser


def verb_parser(verb: str) -> Parser:
    """Return the parser of ``flowdeck VERB``."""
    parser = Parser(
        prog=f"flowdeck {verb}",
        description=COMMANDS[verb].capitalize() + ".",
        epilog=_FOOT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if verb == "plan":
        parser.add_argument("verb", choices=("rollback", "retry", "force", "unlock", "cancel", "drop", "events"))
    _ARGUMENTS[verb](parser)
    parser.add_argument("--store", metavar="DIR|URL", help=f"the store (default: {STORE_VARIABLE}, {DEFAULT_PLACE})")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; everything else on stderr")
    parser.add_argument("--utc", action="store_true", help="show times in UTC")
    parser.add_argument("--read-only", action="store_true", help="open the store for looking only")
    return parser


def _nothing(parser: Parser) -> None:
    """Take no arguments of its own."""
    del parser


def _one_id(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", help="a workflow id, or the part of it that the console shows")


def _listing(parser: Parser) -> None:
    parser.add_argument("--where", default="", metavar="FILTER", help="list only what the filter selects")
    parser.add_argument("--limit", type=_count, default=100, metavar="N", help="rows at most; 0 for all (100)")


def _ls(parser: Parser) -> None:
    _listing(parser)
    parser.add_argument("--sort", choices=SORTS, default="problem", help="the order (problem)")


def _acting(parser: Parser) -> None:
    parser.add_argument("--reason", help="why; goes into the audit")
    parser.add_argument("--if-rev", action="append", default=[], metavar="N[,N...]", help="the revisions you saw")
    parser.add_argument("--request-id", help="a repetition under the same id does nothing twice")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
    parser.add_argument("--yes", action="store_true", help="apply without asking")


def _many_ids(parser: Parser) -> None:
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="ID",
        help="workflow ids, or the parts that the console shows; or choose them by --where",
    )
    parser.add_argument("--where", default="", metavar="FILTER", help="take what the filter selects, frozen now")
    _acting(parser)


def _rollback(parser: Parser) -> None:
    _many_ids(parser)
    parser.add_argument("--to", metavar="STATE", help="the state to enter again (default: the previous one)")


def _force(parser: Parser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="workflow ids, and the state to enter last")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="result.STATE=JSON|@FILE",
        help="supply the result of a state",
    )
    _acting(parser)


def _unlock(parser: Parser) -> None:
    _many_ids(parser)
    parser.add_argument("--steal", action="store_true", help="take it from a live owner too")


def _events(parser: Parser) -> None:
    parser.add_argument("ids", nargs="*", metavar="[retry] ID", help="workflows to list, or retry and event ids")
    _listing(parser)
    _acting(parser)


def _drop(parser: Parser) -> None:
    parser.add_argument("ids", nargs="+", metavar="EVENT", help="event ids, as events and dead list them")
    _acting(parser)


def _audit(parser: Parser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="only this workflow's")
    parser.add_argument("--locks", action="store_true", help="every grant, release and expiry of a lock too")
    _listing(parser)


def _plan(parser: Parser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="what the verb takes")
    parser.add_argument("--where", default="", metavar="FILTER", help="take what the filter selects")
    parser.add_argument("--to", metavar="STATE", help="rollback: the state to enter again")
    parser.add_argument("--set", action="append", default=[], metavar="result.STATE=JSON|@FILE", help="force only")
    parser.add_argument("--steal", action="store_true", help="unlock only")
    _acting(parser)


def _backup(parser: Parser) -> None:
    parser.add_argument("target", metavar="FILE", help="where the copy goes; a directory gets a dated file")


def _demo(parser: Parser) -> None:
    parser.add_argument("--seed", type=_count, default=1, metavar="N", help="the load's random seed (1)")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    parser.add_argument("--theme", help="colours, as the console takes them")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004  a billion rows is all
        raise argparse.ArgumentTypeError(f"{text!r} is not a count")
    return int(text)


_ARGUMENTS: Final[dict[str, Callable[[Parser], None]]] = {
    "ls": _ls,
    "show": _one_id,
    "history": _one_id,
    "why": _one_id,
    "plan": _plan,
    "rollback": _rollback,
    "retry": _many_ids,
    "force": _force,
    "unlock": _unlock,
    "cancel": _many_ids,
    "events": _events,
    "drop": _drop,
    "dead": _listing,
    "audit": _audit,
    "verify": _nothing,
    "doctor": _nothing,
    "backup": _backup,
    "demo": _demo,
}


def parse(words: Sequence[str]) -> tuple[str | None, argparse.Namespace]:
    """Return the verb (None: open the console) and its arguments.

    Raises:
        UsageError: the line cannot be meant.
        SystemExit: help was asked for and printed.
    """
    verb, rest = find_verb(words)
    if verb is None:
        asked = console_parser().parse_args(rest)
        if asked.version:
            print(f"flowdeck {_version()}")  # noqa: T201  what was asked for
            raise SystemExit(Exit.DONE)
        if asked.help:
            print(overview(), end="")  # noqa: T201  what was asked for
            raise SystemExit(Exit.DONE)
        return None, asked
    return verb, verb_parser(verb).parse_intermixed_args(rest)


def _version() -> str:
    """Return the version of this Flowdeck, "0" where it runs from a tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  loaded where it is asked for

    try:
        return version("flowdeck")
    except PackageNotFoundError:
        return "0"


def with_defaults(asked: argparse.Namespace) -> argparse.Namespace:
    """Return a command line without a verb with its store named, and with what ``ls`` takes besides."""
    store = asked.place or asked.store or os.environ.get(STORE_VARIABLE) or DEFAULT_PLACE
    return argparse.Namespace(**{**vars(asked), "store": store, "where": "", "limit": 100, "sort": SORTS[0]})
