"""Design small image networks block by block with Q-learning (BlockQNN, CVPR 2018)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blockqnn.version import VERSION as __version__

if TYPE_CHECKING:
    from blockqnn.api import Run, auto, calibrate, create_model, fork, load, search, train
    from blockqnn.callbacks.callback import Callback
    from blockqnn.callbacks.tensorboard import TensorBoard
    from blockqnn.errors import InputError
    from blockqnn.space.code import Block, parse
    from blockqnn.space.operation import Operation

# Imported at first use, so that `import blockqnn` and `blockqnn --help` answer at once.
_WHERE = {
    "Block": "blockqnn.space.code",
    "Callback": "blockqnn.callbacks.callback",
    "InputError": "blockqnn.errors",
    "Operation": "blockqnn.space.operation",
    "Run": "blockqnn.api",
    "TensorBoard": "blockqnn.callbacks.tensorboard",
    "auto": "blockqnn.api",
    "calibrate": "blockqnn.api",
    "create_model": "blockqnn.api",
    "fork": "blockqnn.api",
    "load": "blockqnn.api",
    "parse": "blockqnn.space.code",
    "search": "blockqnn.api",
    "train": "blockqnn.api",
}
__all__ = [
    "Block",
    "Callback",
    "InputError",
    "Operation",
    "Run",
    "TensorBoard",
    "__version__",
    "auto",
    "calibrate",
    "create_model",
    "fork",
    "load",
    "parse",
    "search",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'blockqnn' has no attribute {name!r}")
