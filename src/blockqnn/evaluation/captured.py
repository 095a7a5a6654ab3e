"""A step that the device repeats by itself: one CUDA graph instead of hundreds of launches.

A thin network's step is over on the GPU before the host has launched it (docs/LOG.md, 2026-11-26).
"""

import torch
from torch import Tensor

from blockqnn.evaluation.augment import Chances
from blockqnn.evaluation.step import Step

_WARM = 3  # steps before the capture: libraries choose their kernels, the optimizer makes its state


def obstacle(device: torch.device) -> str:
    """Why steps cannot be captured there; empty where they can."""
    return "" if device.type == "cuda" else f"a graph needs CUDA, not {device.type}"


class NotCaptured(RuntimeError):
    """The step cannot be captured; the message says why. It is as before the attempt."""


class Captured:
    """Does what the step does, for batches of one size; another size is done step by step.

    Nothing of the warm-up is left: weights, BN's statistics, the optimizer's state and the loss are put
    back. The step must be made with `cached=False`, its optimizer with `capturable=True`.
    """

    def __init__(self, step: Step, batch: int, varied: bool) -> None:
        """Raises NotCaptured, for one where an operation waits for values that the device computes."""
        device = step.total.device
        if reason := obstacle(device):
            raise NotCaptured(reason)
        self._step = step
        self._index = torch.zeros(batch, dtype=torch.long, device=device)
        self._chances = torch.zeros(len(Chances._fields), batch, device=device) if varied else None
        before = _state(step)
        try:
            self._graph = self._capture()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            step.optimizer.zero_grad(set_to_none=True)
            raise NotCaptured(str(error).splitlines()[0][:200]) from error
        finally:
            _put_back(step, before)

    def _capture(self) -> torch.cuda.CUDAGraph:
        step = self._step
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM):
                step(self._index, self._chances)
        torch.cuda.current_stream().wait_stream(side)
        step.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step(self._index, self._chances)
        return graph

    def __call__(self, index: Tensor, chances: Tensor | None) -> None:
        if len(index) != len(self._index):
            self._step(index, chances)
            return
        self._index.copy_(index)
        if self._chances is not None and chances is not None:
            self._chances.copy_(chances)
        self._graph.replay()


def _state(step: Step) -> list[tuple[Tensor, Tensor]]:
    """Every tensor that a step changes and that exists before the first one, beside a copy."""
    tensors = [*step.network.state_dict().values(), step.total]
    tensors += [t for values in step.optimizer.state.values() for t in values.values() if _is_tensor(t)]
    return [(tensor, tensor.clone()) for tensor in tensors]


def _put_back(step: Step, before: list[tuple[Tensor, Tensor]]) -> None:
    """What the optimizer made in the warm-up begins at zero, as it would have."""
    known = {id(tensor) for tensor, _ in before}
    with torch.no_grad():
        for values in step.optimizer.state.values():
            for tensor in values.values():
                if _is_tensor(tensor) and id(tensor) not in known:
                    tensor.zero_()
        for tensor, copy in before:
            tensor.copy_(copy)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)
