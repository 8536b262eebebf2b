"""Who sits at this terminal: what the audit says of an operator."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from typing import Final

from engine.model.actor import Actor, ActorKind

_FACT_AT_MOST: Final = 200


def terminal_actor() -> Actor:
    """Return the operator at this terminal: user, sudo user, SSH origin, host, pid and tty, where known.

    The name is ``user@host``; where ``sudo`` was used it names who used it, since that is the person.
    """
    user = _user()
    sudo_user = os.environ.get("SUDO_USER", "")
    host = socket.gethostname()
    facts = {
        "user": user,
        "sudo_user": sudo_user,
        "ssh": os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
        "host": host,
        "pid": str(os.getpid()),
        "tty": _tty(),
    }
    return Actor(
        name=f"{sudo_user or user}@{host}",
        kind=ActorKind.OPERATOR,
        facts={name: value[:_FACT_AT_MOST] for name, value in facts.items() if value},
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _tty() -> str:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        try:
            return os.ttyname(stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue
    return ""
