"""He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .registry import ConvBackbone, Shape, backbone, image_shape


class ConvNorm(nn.Module):
    """A convolution without bias and its batch normalisation: one unit, so that the two can be folded into one."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D, H', W')"""
        return self.norm(self.conv(x))  # type: ignore[no-any-return]


class Widen(nn.Module):
    """Option A of the paper (section 4.2): every second pixel, and zeros for the channels that are new. No weights.

    Pooling over one pixel picks what slicing would, and its gradient stays channels-last; that of slicing does
    not, and costs 20 % of the block's step.
    """

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, K + added, H / stride, W / stride)"""
        return F.pad(F.avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.added))


class Block(nn.Module):
    """Two convolutions and a shortcut around them; ReLU after the sum. (B, K, H, W) -> (B, D, H', W')"""

    def __init__(self, inputs: int, outputs: int, stride: int, *, project: bool) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=stride)
        self.second = ConvNorm(outputs, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = ConvNorm(inputs, outputs, size=1, stride=stride)
            self.shortcut = projection if project else Widen(outputs - inputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D, H', W')"""
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet(ConvBackbone):
    """A stem, stages of residual blocks, each later one at half the size, then the mean over the pixels.

    The stem is one 3x3 convolution, for small images, or the paper's own: 7x7, then max-pooling, a quarter of the size.

    A ReLU also stands after the last block, as in the paper: features are not negative, which attention maps
    need. iCaRL's own ResNet-32 leaves it out, so that its features may be negative; parity with its figures is
    within that difference.
    """

    averages = True

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        *,
        project: bool,
        large: bool = False,
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, widths[0], size=7 if large else 3, stride=2 if large else 1)
        self.shrink = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        stages, inputs = [], widths[0]
        for stage, (outputs, count) in enumerate(zip(widths, blocks, strict=True)):
            for place in range(count):
                stride = 2 if stage and not place else 1
                stages.append(Block(inputs, outputs, stride, project=project))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.width = inputs

    def maps(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, D, H', W')"""
        return self.blocks(self.shrink(F.relu(self.stem(x))))  # type: ignore[no-any-return]

    def pool(self, maps: Tensor) -> Tensor:
        """(B, D, H', W') -> (B, D)"""
        return maps.mean((2, 3))


_WIDTHS = (64, 128, 256, 512)


@backbone("resnet32")
def resnet32(shape: Shape, hidden: Sequence[int] | None) -> ResNet:
    """The paper's 32-layer network for CIFAR (section 4.2): 0.46 million weights, shortcuts without weights."""
    return ResNet(image_shape("resnet32", shape, hidden, least=8)[0], (16, 32, 64), (5, 5, 5), project=False)


@backbone("resnet18")
def resnet18(shape: Shape, hidden: Sequence[int] | None) -> ResNet:
    """The paper's 18-layer network with a 3x3 stem in place of the 7x7 one and its pooling: for small images."""
    return ResNet(image_shape("resnet18", shape, hidden, least=8)[0], _WIDTHS, (2, 2, 2, 2), project=True)


@backbone("resnet34")
def resnet34(shape: Shape, hidden: Sequence[int] | None) -> ResNet:
    """The paper's 34-layer network with a 3x3 stem in place of the 7x7 one and its pooling: for small images."""
    return ResNet(image_shape("resnet34", shape, hidden, least=8)[0], _WIDTHS, (3, 4, 6, 3), project=True)


@backbone("resnet18-7x7")
def resnet18_7x7(shape: Shape, hidden: Sequence[int] | None) -> ResNet:
    """The paper's 18-layer network as it is for ImageNet: the last maps have a 32nd of the image's size."""
    channels = image_shape("resnet18-7x7", shape, hidden, least=32)[0]
    return ResNet(channels, _WIDTHS, (2, 2, 2, 2), project=True, large=True)
