"""Which examples stand best for all of them."""

import torch
from torch import Tensor
from torch.nn import functional as F

_EQUAL = 1e-12  # distances this near to one another differ by rounding alone


def herd(features: Tensor, count: int) -> Tensor:
    """Rows whose running mean stays closest to the mean of all, the first first. (N, D) -> (min(count, N),)

    Features are brought to unit length; their mean is not. No row is chosen twice; of equals, the lowest. A longer
    list begins with a shorter one.

        Rebuffi et al., "iCaRL", CVPR 2017, algorithm 4
    """
    unit = F.normalize(features.double(), dim=1)
    lengths, along_mean = unit.square().sum(1), unit @ unit.mean(0)
    along_total = torch.zeros_like(lengths)  # what each row has in common with the sum of those chosen
    taken = torch.zeros(len(unit), dtype=torch.bool, device=unit.device)
    rows = torch.empty(min(count, len(unit)), dtype=torch.long, device=unit.device)
    for k in range(1, len(rows) + 1):
        # |(total + row) / k - mean| squared, less what is the same for all rows: one product for each choice
        distance = ((2 * along_total + lengths) / k - 2 * along_mean) / k
        distance = distance.masked_fill(taken, float("inf"))
        row = (distance <= distance.min() + _EQUAL).int().argmax()
        rows[k - 1], taken[row] = row, True
        along_total = along_total + unit @ unit[row]
    return rows
