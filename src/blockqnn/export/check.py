"""An export is compared with the model before it is called one."""

from collections.abc import Callable

import torch
from torch import Tensor

from blockqnn.export.model import Model

_BATCHES = (1, 7)
_LARGEST = 1e-5  # of the largest logit, where that is above 1


class ExportDiffers(RuntimeError):
    """What was exported does not compute what the model does; it was removed."""


@torch.inference_mode()
def largest_difference(model: Model, exported: Callable[[Tensor], Tensor]) -> float:
    """Between the logits of both, for random images in 0..1. Raises ExportDiffers over the bound."""
    largest = 0.0
    for batch in _BATCHES:
        generator = torch.Generator().manual_seed(batch)
        images = torch.rand(batch, *model.config["image"], generator=generator)
        logits = model(images)
        difference = float((exported(images) - logits).abs().max())
        bound = _LARGEST * max(1.0, float(logits.abs().max()))
        if not difference <= bound:  # NaN is no agreement
            raise ExportDiffers(f"the export's logits differ by {difference:.2g}, over {bound:.2g}")
        largest = max(largest, difference)
    return largest
