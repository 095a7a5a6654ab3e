"""The processes that train one network together, as torchrun starts them, and which of them this is.

Each sees its share of every batch; gradients, statistics of BN and what is measured are those of the
whole batch, so the group trains the network that one process would, but for the order of sums.
"""

import atexit
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from blockqnn.errors import InputError
from blockqnn.network.ops import BatchNorm

T = TypeVar("T")
_PATIENCE = timedelta(days=1)  # while one prepares the data; torchrun itself sees who has died


@dataclass(frozen=True)
class Group:
    """This process's number among `size`, and among `local_size` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes and tells."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1

    def share(self, values: Tensor) -> Tensor:
        """Of values along the last dimension every `size`-th one, this process's."""
        return values if self.alone else values[..., self.rank :: self.size]

    def summed(self, value: Tensor) -> Tensor:
        """The sum of all processes' values, in place."""
        if not self.alone:
            distributed.all_reduce(value)
        return value

    def wait(self) -> None:
        """Until all are here."""
        if not self.alone:
            distributed.barrier()

    def after_the_first(self, do: Callable[[], T]) -> T:
        """`do`, done by the first process of each machine before the others, who find what it left."""
        if self.local_rank:
            self.wait()
            return do()
        done = do()
        self.wait()
        return done

    @contextmanager
    def joined(self, network: nn.Module) -> Iterator[nn.Module]:
        """The network for training steps; inside, gradients and BN are those of all processes."""
        if self.alone:
            yield network
            return
        norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
        try:
            for norm in norms:
                norm.across = True
            with warnings.catch_warnings():  # of the argument's next name, which older versions lack
                warnings.filterwarnings("ignore", "`broadcast_buffers`", FutureWarning)
                # what BN keeps is equal everywhere already
                joined = DistributedDataParallel(network, broadcast_buffers=False)
            yield joined
        finally:
            for norm in norms:
                norm.across = False


ALONE = Group()


@cache
def group(device: str) -> Group:
    """The group that torchrun's environment tells of, joined at the first call; ALONE without one.

    InputError where a process has no GPU of its own, or the others cannot be reached.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    # not every build of torch has them
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    found = Group(*(int(os.environ[name]) for name in names))
    if found.alone:
        return found
    if device == "cuda":
        if found.local_rank >= torch.cuda.device_count():
            raise InputError(
                f"process {found.local_rank} of this machine has no GPU of its own; there are"
                f" {torch.cuda.device_count()}: torchrun --nproc-per-node"
            )
        torch.cuda.set_device(found.local_rank)
    try:
        store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
        # what processes before a restart left in torchrun's store would be taken for these
        own = PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
        backend = "nccl" if device == "cuda" else "gloo"
        distributed.init_process_group(
            backend, store=own, rank=found.rank, world_size=found.size, timeout=_PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the other processes cannot be reached ({str(error)[:200]})") from None
    atexit.register(distributed.destroy_process_group)
    return found
