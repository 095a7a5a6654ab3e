"""The model card: README.md of a trained directory."""

from collections.abc import Collection

from blockqnn.export.model import Model
from blockqnn.report.drawing import draw

_LISTED = 30  # classes at most whose recall is listed


def card(model: Model, pictures: Collection[str] = ()) -> str:
    """What the model is, how well it does and how to use it, in Markdown.

    `pictures` are the files that lie beside it.
    """
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
| validation {metrics["metric"]} | {_percent(metrics["validation_accuracy"], "no such part")} |
| test {metrics["metric"]} | {_percent(metrics["test_accuracy"], "not read yet")} |
{_balanced(model)}{_readings(model)}{_chosen(model)}{_per_class(model)}{_shown(pictures)}
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


def _percent(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.2f} %"


def _balanced(model: Model) -> str:
    """The measure in which a rare class counts as much as a frequent one."""
    value = model.metrics.get("macro_f1")
    return "" if value is None else f"| test macro F1 | {value:.2f} % |\n"


def _chosen(model: Model) -> str:
    """Which others were trained, and by what this one was chosen."""
    others = model.metrics.get("chosen_from")
    if not others:
        return ""
    return (
        f"\nThe {len(others)} blocks of highest reward of a search were trained; this one has the"
        " highest validation accuracy, and no other was tested.\n"
    )


def _per_class(model: Model) -> str:
    """How many images of each class are recognised."""
    entries = model.metrics.get("per_class", ())
    if not 0 < len(entries) <= _LISTED:
        return ""
    lines = ["", "| class | test images | recall |", "| --- | ---: | ---: |"]
    for entry in entries:
        name = " ".join(entry["class"].split()).replace("|", "/")
        lines.append(f"| {name} | {entry['images']} | {_percent(entry['recall'], 'none')} |")
    return "\n".join(lines) + "\n"


def _shown(pictures: Collection[str]) -> str:
    told = {
        "confusion.svg": "What is taken for what",
        "curves.svg": "How training went",
    }
    lines = [f"![{text}]({name})" for name, text in told.items() if name in pictures]
    return "\n" + "\n\n".join(lines) + "\n" if lines else ""


def _readings(model: Model) -> str:
    """How the test part was read: once; with several seeds mean and deviation."""
    metrics = model.metrics
    if metrics["test_accuracy"] is None:
        return ""
    text = "\nThe test part was read once, after the last step of training; nothing was chosen by it.\n"
    if interval := metrics.get("test_interval"):
        low, high = interval
        text += (
            f"Its {metrics['test_images']} images put the accuracy between {low:.1f} and {high:.1f} %"
            " (95 % interval).\n"
        )
    if metrics.get("test_accuracy_deviation") is not None:
        count, mean = len(metrics["test_readings"]), metrics["test_accuracy_mean"]
        text += (
            f"Trained with {count} seeds, each tested once: mean {mean:.2f} %, deviation"
            f" {metrics['test_accuracy_deviation']:.2f}. This is the first of them.\n"
        )
    return text
