"""What the paper publishes in its tables 3, 4 and 5. Numbers of other networks are those that it cites.

Errors in percent. Trials of this paper are table 2's 178 iterations of 64, those of MetaQNN its schedule
of unique models.
"""

from typing import NamedTuple

SOURCE = (
    "Zhong, Yan, Wu, Shao, Liu: Practical Block-wise Neural Network Architecture Generation, CVPR 2018"
)
METAQNN = (
    "Baker, Gupta, Naik, Raskar: Designing Neural Network Architectures using Reinforcement Learning,"
    " ICLR 2017"
)


class OnCifar(NamedTuple):
    """A row of table 3."""

    method: str
    depth: int | None
    params: float | None  # millions
    cifar10: float
    cifar100: float | None


class Compute(NamedTuple):
    """A row of table 4."""

    method: str
    cifar10: float  # error of the best
    devices: int
    device: str
    days: float
    trials: int | None


class OnImageNet(NamedTuple):
    """A row of table 5: one crop of 224 x 224."""

    method: str
    depth: int
    top1: float
    top5: float


CIFAR = (
    OnCifar("VGG", None, None, 7.25, None),
    OnCifar("ResNet", 110, 1.7, 6.61, None),
    OnCifar("Wide ResNet", 28, 36.5, 4.17, 20.5),
    OnCifar("ResNet (pre-activation)", 1001, 10.2, 4.62, 22.71),
    OnCifar("DenseNet (k=12)", 40, 1.0, 5.24, 24.42),
    OnCifar("DenseNet (k=12)", 100, 7.0, 4.10, 20.20),
    OnCifar("DenseNet (k=24)", 100, 27.2, 3.74, 19.25),
    OnCifar("DenseNet-BC (k=40)", 190, 25.6, 3.46, 17.18),
    OnCifar("MetaQNN (ensemble)", None, None, 7.32, None),
    OnCifar("MetaQNN (top model)", None, 11.2, 6.92, 27.14),
    OnCifar("NAS v1", 15, 4.2, 5.50, None),
    OnCifar("NAS v2", 20, 2.5, 6.01, None),
    OnCifar("NAS v3", 39, 7.1, 4.47, None),
    OnCifar("NAS v3 more filters", 39, 37.4, 3.65, None),
    OnCifar("Block-QNN-A, N=4", 25, None, 3.60, 18.64),
    OnCifar("Block-QNN-B, N=4", 37, None, 3.80, 18.72),
    OnCifar("Block-QNN-S, N=2", 19, 6.1, 4.38, 20.65),
    OnCifar("Block-QNN-S more filters", 22, 39.8, 3.54, 18.06),
)
COMPUTE = (
    Compute("MetaQNN", 6.92, 10, "GPU", 10, 2700),
    Compute("NAS (Zoph and Le)", 3.65, 800, "GPU", 28, None),
    Compute("Block-QNN", 3.54, 32, "TitanX", 3, 11392),
)
IMAGENET = (
    OnImageNet("VGG", 16, 28.5, 9.90),
    OnImageNet("Inception V1", 22, 27.8, 10.10),
    OnImageNet("Inception V2", 22, 25.2, 7.80),
    OnImageNet("ResNet-50", 50, 24.7, 7.80),
    OnImageNet("ResNet-152", 152, 23.0, 6.70),
    OnImageNet("Xception (their test)", 36, 23.6, 7.10),
    OnImageNet("ResNext-101 (64x4d)", 101, 20.4, 5.30),
    OnImageNet("Block-QNN-B, N=3", 38, 24.3, 7.40),
    OnImageNet("Block-QNN-S, N=3", 38, 22.6, 6.46),
)
