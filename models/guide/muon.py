"""Muon: momentum whose update is made orthogonal, for the matrices of the
network; the rest is left to AdamW. It needs about half the steps of AdamW here."""

import torch


@torch.no_grad()
def orthogonal(update: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest matrix with singular values near 1, by Newton and Schulz's
    iteration; works on a stack of matrices of one shape."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = update.shape[-2] > update.shape[-1]
    x = update.transpose(-1, -2) if tall else update
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        gram = x @ x.transpose(-1, -2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.float()
    return x.transpose(-1, -2) if tall else x


class Muon(torch.optim.Optimizer):
    """The update is scaled so that rates and decay are those usual for AdamW."""

    def __init__(self, matrices, lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(list(matrices), {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes: dict[tuple, list] = {}
            for p in group["params"]:
                shapes.setdefault(tuple(p.shape), []).append(p)
            for shape, params in shapes.items():
                updates = []
                for p in params:
                    mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                    mean.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(mean, group["momentum"]))
                scale = 0.2 * max(shape) ** 0.5
                for p, update in zip(params, orthogonal(torch.stack(updates))):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-group["lr"] * scale)
