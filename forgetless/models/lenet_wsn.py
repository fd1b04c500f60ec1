"""The wide LeNet of Yoon et al., ICLR 2020, on which GPM and WSN measured the superclasses of CIFAR-100."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .registry import ConvBackbone, Shape, backbone, image_shape


def _pool(x: Tensor) -> Tensor:
    """Half the size, from overlapping windows of 3 x 3. (B, D, H, W) -> (B, D, H / 2, W / 2)"""
    return F.max_pool2d(x, 3, 2, 1)


class WideLeNet(ConvBackbone):
    """Two 5x5 convolutions that keep the size, 20 and 50 maps, and linear layers of 800 and 500; ReLU after each.

    (B, K, H, W) -> (B, 500). On images of 3 x 32 x 32 it has 2,986,500 weights beside its biases. Initial weights are
    torch's defaults.
    """

    linear = ("third", "fourth")

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 20, 5, padding=2)
        self.second = nn.Conv2d(20, 50, 5, padding=2)
        rows, columns = ((side + 3) // 4 for side in (height, width))  # halved twice, rounded up each time
        self.third = nn.Linear(50 * rows * columns, 800)
        self.fourth = nn.Linear(800, 500)
        self.width = 500

    def maps(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, 50, H / 2, W / 2)"""
        return self.second(_pool(self.first(x).relu())).relu()  # type: ignore[no-any-return]

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 50, H / 2, W / 2) -> (B, 500)"""
        x = _pool(maps).flatten(1)
        return self.fourth(self.third(x).relu()).relu()  # type: ignore[no-any-return]


@backbone("lenet-wsn")
def lenet_wsn(shape: Shape, hidden: Sequence[int] | None) -> WideLeNet:
    """For images of at least 8 x 8."""
    return WideLeNet(*image_shape("lenet-wsn", shape, hidden, least=8))
