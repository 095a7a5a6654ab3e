"""Ray and its authentication: looked at, never started."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockqnn.doctor.finding import Finding
from blockqnn.doctor.versions import installed, numbers

_LEAST = "2.59"  # from which on Ray's own clusters ask for a token by default


@dataclass(frozen=True)
class Cluster:
    """What Ray would find; `token` names where its token is, `mode` are the bits of that file."""

    version: str | None  # None: not installed
    auth_mode: str | None  # RAY_AUTH_MODE
    token: str = ""  # a variable or a file; empty: there is none
    missing: str = ""  # the file that RAY_AUTH_TOKEN_PATH names and that is not there
    mode: int | None = None


def measured(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Where Ray looks for its token, in its order. The token itself is not read."""
    version, auth_mode = installed("ray"), environment.get("RAY_AUTH_MODE")
    if environment.get("RAY_AUTH_TOKEN"):
        return Cluster(version, auth_mode, "RAY_AUTH_TOKEN")
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path("~/.ray/auth_token").expanduser()
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return Cluster(version, auth_mode, missing=str(path) if named else "")
    return Cluster(version, auth_mode, str(path), mode=mode)


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Whether searches may run on a cluster, and whether strangers may too."""
    install = "pip install 'blockqnn[ray]'"
    if cluster.version is None:
        yield Finding("ray", "note", "not installed; searches on this machine do not need it", install)
    elif numbers(cluster.version) < numbers(_LEAST):
        yield Finding(
            "ray",
            "problem",
            f"Ray {cluster.version} starts clusters that ask nobody for a token; {_LEAST} is the first"
            " that does",
            install,
        )
    else:
        yield Finding("ray", "ok", f"Ray {cluster.version}")
    if cluster.auth_mode not in (None, "token"):
        yield Finding(
            "ray",
            "problem",
            f"RAY_AUTH_MODE is {cluster.auth_mode!r}: whoever reaches such a cluster can run code on it",
            "unset RAY_AUTH_MODE, or set it to token, on all nodes",
        )
    if cluster.missing:
        yield Finding(
            "ray",
            "problem",
            f"RAY_AUTH_TOKEN_PATH names {cluster.missing}, which cannot be read",
            "copy the cluster's token there, with mode 600, or unset the variable",
        )
    elif cluster.token and cluster.mode is not None and cluster.mode & 0o077:
        yield Finding(
            "ray",
            "problem",
            f"the token in {cluster.token} has mode {cluster.mode:o}: other users may read or change it",
            f"chmod 600 {cluster.token}",
        )
    elif cluster.token:
        yield Finding("ray", "ok", f"a token is in {cluster.token}")
    elif cluster.version is not None:
        yield Finding(
            "ray",
            "note",
            "no token here; a cluster that is joined with --address wants its own",
            "ray get-auth-token --generate on one node, then the same file, with mode 600, on all",
        )
