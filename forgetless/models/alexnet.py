"""The small AlexNet of Serrà et al. (HAT), ICML 2018, on which GPM and WSN measured Split CIFAR-100."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from .registry import ConvBackbone, Shape, backbone, image_shape

_KERNELS = (4, 3, 2)
_DROPPED = (0.2, 0.2, 0.5, 0.5, 0.5)  # share of each layer's answers, in training


class SmallAlexNet(ConvBackbone):
    """Three convolutions without borders, 64, 128, 256 maps, and two linear layers of 2,048. (B, K, H, W) -> (B, 2048)

    After each layer a ReLU and dropout, after each convolution max-pooling too. `norm` puts a batch normalisation
    before each ReLU, in place of the layer's bias. On images of 3 x 32 x 32 it has 6,499,328 weights beside biases
    and normalisation. Initial weights are torch's defaults.
    """

    def __init__(self, channels: int, height: int, width: int, *, norm: bool) -> None:
        super().__init__()
        widths = (channels, 64, 128, 256)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, size, bias=not norm)
            for (before, after), size in zip(pairwise(widths), _KERNELS, strict=True)
        )
        places = 1
        for side in (height, width):
            for size in _KERNELS:
                side = (side - size + 1) // 2
            places *= side
        self.layers = nn.ModuleList(nn.Linear(before, 2048, bias=not norm) for before in (256 * places, 2048))
        norms: list[nn.Module] = [nn.BatchNorm2d(width) for width in widths[1:]]
        norms += [nn.BatchNorm1d(2048), nn.BatchNorm1d(2048)]
        self.norms = nn.ModuleList(norms if norm else [nn.Identity() for _ in norms])
        self.drops = nn.ModuleList(nn.Dropout(share) for share in _DROPPED)
        self.width = 2048

    def maps(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, 256, H', W')"""
        for place, convolution in enumerate(self.convolutions):
            if place:
                x = F.max_pool2d(self.drops[place - 1](x), 2)
            x = self.norms[place](convolution(x)).relu()
        return x

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 256, H', W') -> (B, 2048)"""
        x = F.max_pool2d(self.drops[2](maps), 2).flatten(1)
        for place, layer in enumerate(self.layers, 3):
            x = self.drops[place](self.norms[place](layer(x)).relu())
        return x


@backbone("alexnet-small")
def alexnet_small(shape: Shape, hidden: Sequence[int] | None) -> SmallAlexNet:
    """For images of at least 19 x 19: of smaller ones the last pooling leaves nothing."""
    return SmallAlexNet(*image_shape("alexnet-small", shape, hidden, least=19), norm=False)


@backbone("alexnet-small-bn")
def alexnet_small_bn(shape: Shape, hidden: Sequence[int] | None) -> SmallAlexNet:
    """WSN's: the same with batch normalisation."""
    return SmallAlexNet(*image_shape("alexnet-small-bn", shape, hidden, least=19), norm=True)
