"""The live page's program: listens on this machine alone until it is stopped."""

import socket
from collections.abc import Sequence
from pathlib import Path

from blockqnn.dashboard.app import HOST, application
from blockqnn.errors import InputError
from blockqnn.runtime.facts import facts_of
from blockqnn.runtime.store import Store


def serve(directories: Sequence[Path], port: int) -> None:
    """Answers at 127.0.0.1:port (0: a free one) until Ctrl-C. InputError for what is no run."""
    import uvicorn

    for directory in directories:
        with Store.read(directory) as store:
            facts_of(store)
    with _listening(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}/"
        print(f"{address} shows {', '.join(map(str, directories))}; Ctrl-C stops it", flush=True)
        config = uvicorn.Config(
            application(directories), log_level="error", access_log=False, lifespan="off"
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise InputError(f"port {port}: {error.strerror}; name another with --port") from None
    return listening
