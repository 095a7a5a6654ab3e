"""Nodes of a cluster that are not as they should be."""

import os

from blockqnn.runtime.cluster.node import Hello, Node


class Aged(Node):
    """Has the torch that PRETENDED_TORCH says."""

    async def hello(self, freight, holds):
        told = Hello.model_validate_json(await super().hello(freight, holds))
        if torch := os.environ.get("PRETENDED_TORCH"):
            told = told.model_copy(update={"versions": {**told.versions, "torch": torch}})
        return told.model_dump_json()
