"""Testing a trained network: the only place that reads the test part."""

from typing import Any

from blockqnn.data.dataset import Dataset
from blockqnn.evaluation import metrics
from blockqnn.evaluation.device import decoding_processes
from blockqnn.evaluation.group import ALONE, Group
from blockqnn.evaluation.streamed import placed
from blockqnn.evaluation.train import confusions
from blockqnn.network.model import Network


def read_test(
    network: Network, dataset: Dataset, metric: str, device: str, group: Group = ALONE
) -> dict[str, Any] | None:
    """Reads the test part: what of metrics.json tells of it; None when a logit is not finite.

    To be called once for a model, after its last step: nothing may be chosen by it. The processes of a
    group read it together, each its share.
    """
    workers = decoding_processes(device, group.local_size)
    table = confusions(network, placed(dataset.test, dataset, device, workers), group)
    if table is None:
        return None
    found = metrics.details(table)
    per_class = zip(dataset.classes, found["per_class"], strict=True)
    found["per_class"] = [{"class": name, **entry} for name, entry in per_class]
    return {
        "test_accuracy": metrics.measured(table, metric),
        "test_images": found.pop("images"),
        "test_interval": found.pop("interval"),
        **{key: value for key, value in found.items() if key != "accuracy"},
    }
