"""The network as a module: what its layers compute, on numbers; how it is initialised."""

import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from blockqnn.network.model import BlockModule, Network, build
from blockqnn.network.ops import BatchNorm, Cell
from blockqnn.network.plan import SKELETONS, Image, NetworkPlan, Skeleton, plan_network
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

torch.set_num_threads(1)

ONE_BLOCK = Skeleton(("conv",), (2,), (1,))


def planned(code: str, skeleton: Skeleton = ONE_BLOCK, channels: int = 1, side: int = 4) -> NetworkPlan:
    return plan_network(parse(code), skeleton, Image(channels, side, side), 3)


def block_module(code: str) -> BlockModule:
    """One block that reads 2 channels, ready to compute."""
    network = build(planned(code), 0).eval()
    return network.stages[0][0]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def pixel(*values: float) -> Tensor:
    """One pixel with these channels."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)


def set_cell(cell: Cell, weight: list[list[float]], mean: float = 0.0, shift: float = 0.0) -> None:
    """A 1x1 convolution [out][in]; BN halves what the mean leaves, and shifts it."""
    with torch.no_grad():
        cell.conv.weight.copy_(torch.tensor(weight)[:, :, None, None])
        cell.bn.running_mean.fill_(mean)
        cell.bn.running_var.fill_(4 - cell.bn.eps)
        cell.bn.bias.fill_(shift)


# Layers


def test_a_cell_is_relu_then_convolution_then_bn():
    cell = Cell(1, 2, 1).eval()
    set_cell(cell, [[-1.0, 2.0]], mean=1.0, shift=0.25)
    # ReLU (0, 3); convolution -0 + 6 = 6; BN (6 - 1) / 2 + 0.25
    assert cell(pixel(-2, 3)).item() == pytest.approx(2.75)
    # a negative output is kept: ReLU (5, 0); convolution -5; BN (-5 - 1) / 2 + 0.25
    assert cell(pixel(5, -7)).item() == pytest.approx(-2.75)


def test_a_cell_leaves_what_it_reads_to_other_layers():
    images = pixel(-2, 3)
    Cell(1, 2, 1).eval()(images)
    assert images.flatten().tolist() == [-2, 3]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_cell_keeps_the_size_and_has_no_bias(kernel):
    cell = Cell(kernel, 2, 3)
    assert cell(drawn(2, 2, 6, 5)).shape == (2, 3, 6, 5)
    assert cell.conv.bias is None


@pytest.mark.parametrize("code", ["(1,4,0,0,0)", "(1,2,1,0,0)", "(1,3,1,0,0)"])
def test_identity_and_poolings_of_kernel_1_change_nothing(code):
    images = drawn(2, 2, 4, 4)
    assert torch.equal(block_module(code)(images), images)


def test_poolings_of_kernel_3_on_a_border():
    images = torch.tensor([[-1.0, -2.0], [-3.0, -6.0]]).expand(1, 2, 2, 2)
    # every window holds all four pixels; the border never wins a maximum, and is 0 in a mean
    assert (block_module("(1,2,3,0,0)")(images) == -1).all()
    assert torch.allclose(block_module("(1,3,3,0,0)")(images), torch.tensor(-12 / 9))


def test_add_and_concat():
    images = drawn(2, 2, 4, 4)
    pooled = functional.max_pool2d(images, 3, 1, 1)
    assert torch.equal(block_module("(1,2,3,0,0) (2,5,0,0,1)")(images), images + pooled)
    for pair, operands in (("0,1", (images, pooled)), ("1,0", (pooled, images))):
        joined = block_module(f"(1,2,3,0,0) (2,6,0,{pair})")(images)
        assert torch.equal(joined, torch.cat(operands, 1))


@pytest.mark.parametrize("operands", ["0,2", "2,0"])
def test_add_projects_the_smaller_operand(operands):
    # layer 2 joins the input with itself: 4 channels against the input's 2
    module = block_module(f"(1,4,0,0,0) (2,6,0,0,1) (3,5,0,{operands})")
    set_cell(module.layers[2].projection, [[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [-2.0, 0.0]], shift=0.5)
    # input (3, -4), joined (3, -4, 3, -4); projected: ReLU (3, 0) -> (3, 0, 6, -6) / 2 + 0.5
    found = module(pixel(3, -4)).flatten().tolist()
    assert found == pytest.approx([3 + 2, -4 + 0.5, 3 + 3.5, -4 - 2.5])


def test_an_add_of_equal_operands_has_no_parameters():
    module = block_module("(1,2,3,0,0) (2,5,0,0,1)")
    assert list(module.parameters()) == []


def test_leaves_are_joined_in_the_order_of_the_code():
    images = drawn(2, 2, 4, 4)
    largest, mean = functional.max_pool2d(images, 3, 1, 1), functional.avg_pool2d(images, 3, 1, 1)
    module = block_module("(1,2,3,0,0) (2,3,3,0,0) (3,4,0,0,0)")
    assert torch.equal(module(images), torch.cat((largest, mean, images), 1))
    # layer 1 is read by layer 3, so the leaves are 2 and 3
    module = block_module("(1,2,3,0,0) (2,3,3,0,0) (3,5,0,0,1)")
    assert torch.equal(module(images), torch.cat((mean, images + largest), 1))


def test_a_value_read_early_and_late_is_kept_as_long_as_needed():
    images = drawn(2, 2, 4, 4)
    largest = functional.max_pool2d(images, 3, 1, 1)
    twice = functional.max_pool2d(largest, 3, 1, 1)
    module = block_module("(1,2,3,0,0) (2,2,3,1,0) (3,5,0,1,2) (4,6,0,0,3) (5,6,0,1,4)")
    assert torch.equal(module(images), torch.cat((largest, images, largest + twice), 1))


def test_values_that_nobody_reads_any_more_are_let_go():
    module = block_module("(1,2,3,0,0) (2,2,3,1,0) (3,2,3,2,0) (4,2,3,3,0)")
    values = []

    def kept(*call: object) -> None:
        values.append(weakref.ref(call[-1]))
        assert sum(value() is not None for value in values) <= 2  # what is read, what is made

    for layer in module.layers:
        layer.register_forward_hook(kept)
    with torch.no_grad():
        module(drawn(2, 2, 4, 4))
    assert len(values) == 4


# The network around the blocks


def test_the_stem_does_not_rectify_the_image():
    network = build(planned("(1,4,0,0,0)"), 0)
    assert [type(module) for module in network.stem] == [nn.Conv2d, BatchNorm]
    conv = network.stem[0]
    assert (conv.kernel_size, conv.padding, conv.stride) == ((3, 3), (1, 1), (1, 1))
    assert conv.bias is None
    images = drawn(2, 1, 4, 4)
    assert torch.equal(network.stem[0](-images), -network.stem[0](images))


def test_the_second_convolution_of_a_stem_is_a_cell():
    network = build(planned("(1,4,0,0,0)", SKELETONS["imagenet"].with_widths((2, 2, 2, 2)), side=32), 0)
    kinds = [nn.Conv2d, BatchNorm, nn.MaxPool2d, Cell, nn.MaxPool2d]
    assert [type(module) for module in network.stem] == kinds
    assert network.stem(drawn(1, 1, 32, 32)).shape == (1, 2, 8, 8)


def test_the_way_from_image_to_logits():
    # two stages of one Identity: stem, one 2x2 max pooling between the stages, ReLU, mean, linear
    network = build(planned("(1,4,0,0,0)", Skeleton(("conv",), (2, 5), (1, 1)), side=5), 0).eval()
    images = drawn(3, 1, 5, 5)
    pooled = functional.max_pool2d(network.stem(images), 2)
    assert pooled.shape == (3, 2, 2, 2)  # an odd side loses its last row
    assert torch.equal(network.forward_features(images), pooled)
    features = pooled.clamp(min=0).mean(dim=(2, 3))
    expected = features @ network.head.weight.T + network.head.bias
    assert torch.allclose(network(images), expected, atol=1e-6)
    with torch.no_grad():
        network.head.bias.fill_(7.0)  # the bias reaches the logits
        network.head.weight.zero_()
    assert (network(images) == 7).all()


def test_each_block_of_a_stage_has_weights_of_its_own():
    network = build(planned("(1,1,1,0,0)", Skeleton(("conv",), (2,), (3,))), 0)
    weights = [block.layers[0].conv.weight for block in network.stages[0]]
    assert len({weight.data_ptr() for weight in weights}) == 3
    assert not torch.equal(weights[0], weights[1])


# Initialisation


def test_variance_of_the_initial_weights():
    skeleton = Skeleton(("conv",), (64,), (1,))
    network = build(planned("(1,1,3,0,0) (2,1,5,1,0) (3,6,0,1,2) (4,1,1,3,0)", skeleton), 0)
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    assert [cell.conv.weight.shape[1] for cell in cells] == [64, 64, 128]
    for cell in cells:
        weight = cell.conv.weight
        kernel = weight.shape[2]
        # He et al. 2015: variance 2 / (kernel^2 * filters)
        assert weight.var().item() == pytest.approx(2 / (kernel**2 * 64), rel=0.05)
        assert weight.mean().abs().item() < 0.05 * weight.std().item()


def test_initial_state_of_everything_else():
    network = build(planned("(1,1,3,0,0)"), 0)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2
    for norm in norms:
        assert (norm.weight == 1).all()
        assert (norm.running_var == 1).all()
        assert not norm.bias.any()
        assert not norm.running_mean.any()
        assert norm.num_batches_tracked.item() == 0
    assert not network.head.bias.any()
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_variance_of_the_initial_linear_layer():
    plan = plan_network(parse("(1,4,0,0,0)"), Skeleton(("conv",), (400,), (1,)), Image(1, 4, 4), 100)
    assert build(plan, 0).head.weight.var().item() == pytest.approx(1 / 400, rel=0.05)


def test_build_depends_on_its_seed_alone():
    plan = plan_network(ZOO["block-qnn-a"], SKELETONS["small"], Image(1, 8, 8), 10)

    def state(seed: int, global_seed: int) -> dict[str, Tensor]:
        torch.manual_seed(global_seed)
        before = torch.random.get_rng_state()
        network = build(plan, seed)
        assert torch.equal(torch.random.get_rng_state(), before)
        return network.state_dict()

    with torch.random.fork_rng():
        first, again, other = state(1, 10), state(1, 20), state(2, 10)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    weights = [name for name, value in first.items() if value.dim() > 1]
    assert weights
    assert not any(torch.equal(first[name], other[name]) for name in weights)


def test_no_two_layers_begin_alike():
    network = build(planned("(1,1,3,0,0) (2,1,3,0,0)"), 0)
    one, other = (layer.conv.weight for layer in network.stages[0][0].layers)
    assert not torch.equal(one, other)


def test_a_built_network_lies_on_the_cpu_in_float32():
    network = build(planned("(1,1,3,0,0)"), 0)
    assert {(p.device.type, p.dtype) for p in network.parameters()} == {("cpu", torch.float32)}
    assert isinstance(network, Network)


class Gradients(TorchDispatchMode):
    """The gradients that the backward passes of BN and ReLU meet."""

    def __init__(self) -> None:
        super().__init__()
        self.bn: list[torch.Tensor] = []
        self.relu: list[torch.Tensor] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.native_batch_norm_backward.default:
            self.bn.append(args[0])
        if func is torch.ops.aten.threshold_backward.default:
            self.relu.append(args[0])
        return func(*args, **(kwargs or {}))


def test_gradients_lie_as_the_backward_passes_are_fast_with():
    # leaves get slices of what their concatenation got, which gets a mean's that is spread out
    plan = plan_network(ZOO["block-qnn-a"], SKELETONS["small"], Image(3, 16, 16), 10)
    loss = build(plan, seed=0).train()(torch.rand(4, 3, 16, 16)).sum()
    with Gradients() as seen:
        loss.backward()
    assert len(seen.bn) > 10
    assert all(g.is_contiguous(memory_format=torch.channels_last) for g in seen.bn)
    assert len(seen.relu) > 10
    assert all(g.stride(1) == 1 for g in seen.relu)


def test_pooled_features_are_the_mean_over_the_pixels_also_in_training():
    network = build(planned("(1,1,3,0,0)"), 0)
    features = torch.randn(4, network.head.in_features, 3, 5)
    expected = features.relu().mean(dim=(2, 3))
    for mode in (True, False):
        pooled = network.train(mode).forward_head(features, pre_logits=True)
        torch.testing.assert_close(pooled, expected)
