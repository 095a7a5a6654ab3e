"""The network that a plan describes, as a torch module."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from blockqnn.errors import InputError
from blockqnn.network.ops import BatchNorm, Cell, layer_name, module_of
from blockqnn.network.plan import STEM_KERNEL, BlockPlan, NetworkPlan
from blockqnn.space.operation import OwnOp


class BlockModule(nn.ModuleDict):
    """One block, its layers by name. Shape [N, in_channels, H, W] -> [N, channels, H, W].

    The leaves are concatenated.
    """

    def __init__(self, plan: BlockPlan) -> None:
        layers = enumerate(plan.nodes, 1)
        super().__init__({layer_name(i, node.op): module_of(node) for i, node in layers})
        self._preds = tuple(node.preds for node in plan.nodes)
        self._leaves = plan.leaves
        self._own = tuple(i for i, node in enumerate(plan.nodes) if isinstance(node.op, OwnOp))
        last_reader = {p: i for i, preds in enumerate(self._preds) for p in preds}
        # values that no later layer reads are let go, so evaluation needs little memory
        self._done = tuple(
            tuple(p for p in set(preds) if last_reader[p] == i) for i, preds in enumerate(self._preds)
        )

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        return tuple(self.values())

    @property
    def own(self) -> tuple[nn.Module, ...]:
        """The layers that are operations of the user's own."""
        return tuple(self.layers[i] for i in self._own)

    def forward(self, x: Tensor) -> Tensor:
        values = {0: x}
        for i, layer in enumerate(self.values()):
            values[i + 1] = layer(*(values[p] for p in self._preds[i]))
            for p in self._done[i]:
                del values[p]
        outputs = [values[leaf] for leaf in self._leaves]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


class Network(nn.Module):
    """Stem, stages of blocks with 2x2 max pooling between them, ReLU, average pooling, linear.

    Shape [N, C, H, W] normalised -> logits [N, classes].
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        stem: list[nn.Module] = []
        for layer in plan.stem:
            if layer.op == "pool":
                stem.append(nn.MaxPool2d(2))
            elif not stem:  # nothing to rectify in an image
                conv = nn.Conv2d(layer.in_channels, layer.channels, STEM_KERNEL, padding=1, bias=False)
                stem += [conv, BatchNorm(layer.channels)]
            else:
                stem.append(Cell(STEM_KERNEL, layer.in_channels, layer.channels))
        self.stem = nn.Sequential(*stem)
        self.stages = nn.ModuleList(nn.Sequential(*map(BlockModule, stage)) for stage in plan.stages)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.head = nn.Linear(plan.features, plan.classes)

    def levels(self, x: Tensor) -> Iterator[Tensor]:
        """The output of each stage, one after another, shape [N, channels, h, w]."""
        x = self.stem(x)
        for number, stage in enumerate(self.stages):
            x = stage(self.pool(x) if number else x)
            yield x

    def forward_features(self, x: Tensor) -> Tensor:
        """The last stage's output, shape [N, features, h, w]."""
        for level in self.levels(x):
            x = level
        return x

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits of those features; with `pre_logits` what is pooled of them, [N, features]."""
        features = self.relu(features)
        pooled = _mean_by_pixel(features) if self.training else features.mean(dim=(2, 3))
        logits: Tensor = pooled if pre_logits else self.head(pooled)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def _mean_by_pixel(x: Tensor) -> Tensor:
    """The mean over H and W of [N, C, H, W] in channels_last, written so that its gradient lies so too.

    That of `mean(dim=(2, 3))` does not, and the ReLU before it then takes up to 30 times as long on a
    CPU (docs/LOG.md, 2026-11-26).
    """
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)


def build(plan: NetworkPlan, seed: int) -> Network:
    """The plan's network on the CPU, initialised from `seed` alone (He et al. 2015).

    An operation of the user's own keeps what its constructor gave it.
    """
    network = _constructed(plan, seed)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(seed)
    own = _own_modules(network)
    for module in network.modules():
        if module in own:
            continue
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            initialise_head(module, generator)
    return network


def initialise_head(head: nn.Linear, generator: torch.Generator) -> None:
    """The linear layer as a new network has it (He et al. 2015); the generator is on its device."""
    nn.init.kaiming_normal_(head.weight, nonlinearity="linear", generator=generator)
    nn.init.zeros_(head.bias)


def restored(plan: NetworkPlan, weights: Mapping[str, Tensor]) -> Network:
    """The plan's network with stored weights, on the CPU; InputError unless they are its own."""
    network = _constructed(plan, seed=0)
    have, want = ({n: tuple(t.shape) for n, t in d.items()} for d in (weights, network.state_dict()))
    for name in sorted(have.keys() | want.keys()):
        if have.get(name) != want.get(name):
            raise InputError(f"tensor {name[:60]}: its shape is {have.get(name)}, not {want.get(name)}")
    network.load_state_dict(weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _constructed(plan: NetworkPlan, seed: int) -> Network:
    """The modules. Values are drawn, from the seed, only where an own operation's constructor does."""
    nodes = (node for stage in plan.stages for block in stage for node in block.nodes)
    if any(isinstance(node.op, OwnOp) for node in nodes):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return Network(plan)
    with torch.device("meta"):
        network = Network(plan)
    return network.to_empty(device="cpu")


def _own_modules(network: Network) -> set[nn.Module]:
    """Own operations and all inside them."""
    blocks = [module for module in network.modules() if isinstance(module, BlockModule)]
    return {inner for block in blocks for layer in block.own for inner in layer.modules()}
