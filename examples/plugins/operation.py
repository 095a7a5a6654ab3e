"""An own operation: a depthwise convolution, then one of 1x1 to the stage's filters."""

from torch import nn

from blockqnn import Operation


def separable(kernel, ins, out):
    """ReLU, depthwise and 1x1 convolution, BN: [N, ins[0], H, W] -> [N, out, H, W]."""
    depthwise = nn.Conv2d(*ins, *ins, kernel, padding=kernel // 2, groups=ins[0], bias=False)
    return nn.Sequential(nn.ReLU(), depthwise, nn.Conv2d(*ins, out, 1, bias=False), nn.BatchNorm2d(out))


def params(kernel, ins, out):
    return kernel**2 * ins[0] + ins[0] * out + 2 * out


def flops(kernel, ins, out, pixels):
    return 2 * (kernel**2 * ins[0] + ins[0] * out) * pixels


OPERATIONS = {8: Operation("separable", (3, 5), params, flops, separable)}
