"""LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 1998."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .registry import ConvBackbone, Shape, backbone, image_shape


class LeNet(ConvBackbone):
    """LeNet-5 with ReLU and max-pooling: two convolutions and two linear layers. (B, K, H, W) -> (B, 84)

    The first convolution is padded, as is usual for 28 x 28 images; the second also, where the image is smaller
    than that and would otherwise be used up. Initial weights are torch's defaults.
    """

    linear = ("third", "fourth")

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        border = 0 if min(height, width) >= 28 else 2
        self.first = nn.Conv2d(channels, 6, 5, padding=2)
        self.second = nn.Conv2d(6, 16, 5, padding=border)
        rows, columns = ((side // 2 + 2 * border - 4) // 2 for side in (height, width))
        self.third = nn.Linear(16 * rows * columns, 120)
        self.fourth = nn.Linear(120, 84)
        self.width = 84

    def maps(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, 16, H', W')"""
        return self.second(F.max_pool2d(self.first(x).relu(), 2)).relu()  # type: ignore[no-any-return]

    def pool(self, maps: Tensor) -> Tensor:
        """(B, 16, H', W') -> (B, 84)"""
        x = F.max_pool2d(maps, 2).flatten(1)
        return self.fourth(self.third(x).relu()).relu()  # type: ignore[no-any-return]


@backbone("lenet")
def lenet(shape: Shape, hidden: Sequence[int] | None) -> LeNet:
    """For images of at least 8 x 8."""
    return LeNet(*image_shape("lenet", shape, hidden, least=8))
