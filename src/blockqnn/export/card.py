"""The model card: README.md of a trained directory."""

from blockqnn.export.model import Model
from blockqnn.report.drawing import draw


def card(model: Model) -> str:
    """What the model is, how well it does and how to use it, in Markdown."""
    config, metrics, scale = model.config, model.metrics, model.config["preprocessing"]
    skeleton = config["skeleton"]
    channels, height, width = config["image"]
    stages = ", ".join(
        f"{repeats} x {filters}"
        for filters, repeats in zip(skeleton["widths"], skeleton["repeats"], strict=True)
    )
    names = ", ".join(" ".join(name.split()) for name in model.classes[:20])
    more = f", ... ({len(model.classes)})" if len(model.classes) > 20 else ""
    return f"""---
library_name: blockqnn
pipeline_tag: image-classification
---

# Image classifier: {" ".join(config["data"].split())}

A network of one block, found or chosen with blockqnn and trained on {" ".join(config["data"].split())}.

| | |
| --- | --- |
| classes | {names.replace("|", "/")}{more} |
| image | {channels} x {height} x {width} (channels, height, width), {scale["resize"]}, values in 0..1 |
| parameters | {metrics["params"]:,} |
| FLOPs, one image | {metrics["flops"]:,} (2 a multiply-add) |
| validation {metrics["metric"]} | {metrics["validation_accuracy"]:.2f} % |
| test {metrics["metric"]} | {metrics["test_accuracy"]:.2f} % |

The test part was read once, after the last step of training; nothing was chosen by it.
{_readings(model)}
## The block

`{config["code"]}`, in stages of (blocks x filters) {stages}.

```
{draw(model.block)}
```

## Use it

```python
import blockqnn

model = blockqnn.load("DIRECTORY")  # this one
logits = model(images)  # float32 [N, {channels}, {height}, {width}] in 0..1
```

`blockqnn predict DIRECTORY IMAGE...` names the class of image files;
`blockqnn export DIRECTORY --format python --out NEW` writes the network as one file of plain PyTorch.
"""


def _readings(model: Model) -> str:
    """Mean and deviation where several seeds were trained, each read once."""
    deviation = model.metrics.get("test_accuracy_deviation")
    if deviation is None:
        return ""
    count, mean = len(model.metrics["test_readings"]), model.metrics["test_accuracy_mean"]
    return (
        f"Trained with {count} seeds, each tested once: mean {mean:.2f} %, deviation {deviation:.2f}."
        " This is the first of them.\n"
    )
