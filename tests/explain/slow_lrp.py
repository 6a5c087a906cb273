"""The rules of relevance propagation as loops, from Montavon et al. 2019, section 10.2."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

EPSILON = 1e-6  # zennit's


class Chain(nn.Module):
    def __init__(self, pool: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, stride=1) if pool == "max" else nn.AvgPool2d(2, stride=1)
        self.conv2 = nn.Conv2d(3, 4, (3, 2), padding=(0, 1))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(self.pool(torch.relu(self.conv1(x)))))
        return self.fc(torch.mean(x, dim=(2, 3)))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(3, 4, 1, stride=2, bias=False)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x).relu()
        x = (self.conv2(x) + self.shortcut(x)).relu()
        return self.fc(x.mean((-2, -1)))


def stable(z):
    return z + EPSILON * np.where(z >= 0, 1.0, -1.0)


def taps(x, layer):
    """Every output cell of a layer, with the input cells that it sees."""
    pair = lambda value: value if isinstance(value, tuple) else (value, value)  # noqa: E731
    kernel, stride, padding = map(pair, (layer.kernel_size, layer.stride, layer.padding))
    n_rows, n_columns = (
        (size + 2 * pad - k) // step + 1
        for size, pad, k, step in zip(x.shape[1:], padding, kernel, stride, strict=True)
    )
    for i, j in product(range(n_rows), range(n_columns)):
        inside = [
            (a, b, i * stride[0] - padding[0] + a, j * stride[1] - padding[1] + b)
            for a, b in product(range(kernel[0]), range(kernel[1]))
        ]
        yield i, j, [t for t in inside if 0 <= t[2] < x.shape[1] and 0 <= t[3] < x.shape[2]]


def convolve(x, layer):
    weight, bias = numbers(layer)
    out = {}
    for i, j, seen in taps(x, layer):
        out[i, j] = bias + sum(weight[:, :, a, b] @ x[:, r, c] for a, b, r, c in seen)
    size = max(out)
    return np.array(
        [[out[i, j] for j in range(size[1] + 1)] for i in range(size[0] + 1)]
    ).transpose(2, 0, 1)


def numbers(layer):
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy().astype(float)
    return layer.weight.detach().numpy().astype(float), bias


def flat(x, layer, relevance):
    """Every input that an output sees gets the same share."""
    back = np.zeros_like(x)
    for i, j, seen in taps(x, layer):
        for _, _, r, c in seen:
            back[:, r, c] += relevance[:, i, j].sum() / (len(seen) * len(x))
    return back


def z_plus(x, layer, relevance):
    """Shares in proportion to positive contributions; the bias has none."""
    weight, _ = numbers(layer)
    back = np.zeros_like(x)
    for i, j, seen in taps(x, layer):
        for k in range(len(weight)):
            parts = [np.maximum(weight[k, :, a, b] * x[:, r, c], 0) for a, b, r, c in seen]
            share = relevance[k, i, j] / stable(np.sum(parts))
            for part, (_, _, r, c) in zip(parts, seen, strict=True):
                back[:, r, c] += part * share
    return back


def pool(x, layer):
    best = isinstance(layer, nn.MaxPool2d)
    out = {}
    for i, j, seen in taps(x, layer):
        values = np.array([x[:, r, c] for *_, r, c in seen])
        out[i, j] = values.max(axis=0) if best else values.mean(axis=0)
    size = max(out)
    return np.array(
        [[out[i, j] for j in range(size[1] + 1)] for i in range(size[0] + 1)]
    ).transpose(2, 0, 1)


def pool_back(x, layer, relevance):
    """All to the largest, or in proportion to the cells that are averaged."""
    back = np.zeros_like(x)
    for i, j, seen in taps(x, layer):
        values = np.array([x[:, r, c] for *_, r, c in seen])
        for k in range(len(x)):
            if isinstance(layer, nn.MaxPool2d):
                *_, r, c = seen[int(values[:, k].argmax())]
                back[k, r, c] += relevance[k, i, j]
            else:
                total = stable(values[:, k].mean()) * len(seen)
                for value, (*_, r, c) in zip(values[:, k], seen, strict=True):
                    back[k, r, c] += value / total * relevance[k, i, j]
    return back


def head_back(y, linear, label):
    """From the logit through the linear layer (epsilon rule) and the mean over both axes."""
    weight, bias = numbers(linear)
    means = y.mean(axis=(1, 2))
    logit = weight[label] @ means + bias[label]
    relevance = weight[label] * means / stable(weight[label] @ means) * logit
    return y / (stable(means)[:, None, None] * y[0].size) * relevance[:, None, None]


def chain(module, picture, label):
    x = picture.astype(float)
    a = np.maximum(convolve(x, module.conv1), 0)
    b = pool(a, module.pool)
    y = np.maximum(convolve(b, module.conv2), 0)
    relevance = z_plus(b, module.conv2, head_back(y, module.fc, label))
    return flat(x, module.conv1, pool_back(a, module.pool, relevance))[0]


def branches(module, picture, label, *, channels=None):
    """Through everything, or only through some channels of the second convolution."""
    x = picture.astype(float)
    a = np.maximum(convolve(x, module.conv1), 0)
    main, short = convolve(a, module.conv2), convolve(a, module.shortcut)
    relevance = head_back(np.maximum(main + short, 0), module.fc, label)
    of_main = main / stable(main + short) * relevance
    of_short = short / stable(main + short) * relevance
    if channels is not None:
        kept = np.isin(np.arange(len(of_main)), channels)
        of_main, of_short = of_main * kept[:, None, None], 0 * of_short
    back = z_plus(a, module.conv2, of_main) + z_plus(a, module.shortcut, of_short)
    return flat(x, module.conv1, back)[0]


def channel_relevance(module, picture, label):
    """Relevance of each channel of the second convolution."""
    x = picture.astype(float)
    a = np.maximum(convolve(x, module.conv1), 0)
    main, short = convolve(a, module.conv2), convolve(a, module.shortcut)
    relevance = head_back(np.maximum(main + short, 0), module.fc, label)
    return (main / stable(main + short) * relevance).sum(axis=(1, 2))
