"""Which examples stand best for all of them."""

import torch
from torch import Tensor
from torch.nn import functional as F


def herd(features: Tensor, count: int) -> Tensor:
    """Rows whose running mean stays closest to the mean of all, the first first. (N, D) -> (min(count, N),)

    Features are brought to unit length; their mean is not. No row is chosen twice; of equals, the lowest. A longer
    list begins with a shorter one.

        Rebuffi et al., "iCaRL", CVPR 2017, algorithm 4
    """
    unit = F.normalize(features.double(), dim=1)
    mean, total = unit.mean(0), torch.zeros_like(unit[0])
    taken = torch.zeros(len(unit), dtype=torch.bool, device=unit.device)
    rows = []
    for k in range(1, min(count, len(unit)) + 1):
        distance = ((total + unit) / k - mean).square().sum(1).masked_fill(taken, float("inf"))
        row = distance.min(0).indices
        rows.append(row)
        taken[row] = True
        total = total + unit[row]
    return torch.stack(rows)
