"""Whether a Ray cluster can be used, and may be: found out without importing Ray here."""

import os
import socket
import subprocess
import sys
from importlib.util import find_spec

from blockqnn.config import ExecutionSettings
from blockqnn.errors import InputError

_PATIENCE = 5.0  # seconds for a cluster's head to accept a connection
_WANTS_A_TOKEN = "InvalidAuthToken"
_FROM_NOBODY = (
    "import sys; from ray._raylet import GcsClient;"
    " GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5)"
)


def refuse_out_of_reach(execution: ExecutionSettings) -> None:
    """InputError where Ray is missing though asked for, its cluster silent, or open to anybody."""
    if execution.executor != "ray":
        return
    if find_spec("ray") is None:
        raise InputError("executor 'ray': Ray is not installed; pip install 'blockqnn[ray]'")
    if (address := execution.address) is None:
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16) or "/" in host:
        raise InputError(f"address {address!r}: a Ray cluster's head is named as HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise InputError(f"address {address!r}: no Ray cluster answers ({error})") from None
    if execution.unauthenticated:
        return
    told = _told_to_anybody(address)
    if told is None:
        raise InputError(
            f"address {address!r}: this Ray cluster asks for no token, so whoever reaches it can run"
            " code on its nodes; start it with RAY_AUTH_MODE=token, or allow it with"
            " --set execution.unauthenticated=true"
        )
    if _WANTS_A_TOKEN not in told:
        reason = (told.strip().splitlines() or ["it did not say"])[-1][:200]
        raise InputError(
            f"address {address!r}: whether this Ray cluster asks for a token cannot be told ({reason})"
        )


def _told_to_anybody(address: str) -> str | None:
    """What a client without a token hears where it is turned away; None where it is answered."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-P", "-c", _FROM_NOBODY, address]
    try:
        asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        return "no answer"
    return None if asked.returncode == 0 else asked.stdout + asked.stderr
