"""The bag-of-tricks baseline in plain PyTorch, for `against_pytorch.py` to measure with.

ResNet with last stride 1, global average pooling, BN-neck and linear classifier; cross-entropy with smoothing and the
hard triplet. Parameters have FastReID's names, so that `weights.load_fastreid` can give our model the same values.
Needs PyTorch alone.
"""

import torch
from torch import nn
from torch.nn import functional

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    widening = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the stride) and 1×1 convolutions, and a shortcut."""

    widening = 4

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = convolution(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(inputs, 4 * width, stride)

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """Normalised images `(batch, 3, h, w)` → map `(batch, channels, h / 16, w / 16)`."""

    def __init__(self, depth):
        super().__init__()
        block = BasicBlock if depth < 50 else Bottleneck
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.channels = 64
        for stage, (blocks, stride) in enumerate(zip(BLOCKS[depth], (1, 2, 2, 1), strict=True), start=1):
            width = 32 * 2**stage
            parts = []
            for number in range(blocks):
                parts.append(block(self.channels, width, stride if number == 0 else 1))
                self.channels = width * block.widening
            setattr(self, f"layer{stage}", nn.Sequential(*parts))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x):
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Heads(nn.Module):
    """Average pooling, BN-neck whose offset is not trained, and a linear classifier."""

    def __init__(self, channels, classes):
        super().__init__()
        self.bottleneck = nn.Sequential(nn.BatchNorm2d(channels))
        self.bottleneck[0].bias.requires_grad_(False)
        self.weight = nn.Parameter(0.01 * torch.randn(classes, channels))

    def forward(self, x):
        pooled = x.mean((2, 3), keepdim=True)
        embedding = self.bottleneck(pooled)[..., 0, 0]
        return pooled[..., 0, 0], embedding, functional.linear(embedding, self.weight)


class Baseline(nn.Module):
    """Pixels 0–255 `(batch, 3, h, w)` → feature before the neck, embedding, logits."""

    def __init__(self, depth, classes):
        super().__init__()
        self.backbone = ResNet(depth)
        self.heads = Heads(self.backbone.channels, classes)
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images):
        return self.heads(self.backbone((images - self.pixel_mean) / self.pixel_std))


def convolution(inputs, outputs, kernel, stride=1):
    """Without bias, padded so that stride 1 keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def shortcut(inputs, outputs, stride):
    """What makes a block's input the size of its output, or None."""
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def cross_entropy(logits, labels, smoothing):
    """The wrong classes share `smoothing` evenly."""
    scores = functional.log_softmax(logits, dim=1)
    wrong = smoothing / (logits.shape[1] - 1)
    right = scores.gather(1, labels[:, None])[:, 0]
    return -((1 - smoothing - wrong) * right + wrong * scores.sum(1)).mean()


def hard_triplet(features, labels, margin):
    """The farthest of the same identity against the nearest of another."""
    squares = features.square().sum(1)
    distances = squares[:, None] + squares[None] - 2 * features @ features.T
    distances = distances.clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None]
    positive = distances.masked_fill(~same, 0.0).amax(1)
    negative = distances.masked_fill(same, 1e9).amin(1)
    return functional.relu(positive - negative + margin).mean()
