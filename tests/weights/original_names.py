"""Names and shapes of the original's networks, written down from its modules: `{name: shape}` with the head's.

They know nothing of the layers here, so that a wrong name here is noticed. Widths are smaller than the original's.
"""


def _norm(name, channels, instance=False):
    parts = ("weight", "bias") if instance else ("weight", "bias", "running_mean", "running_var")
    found = {f"{name}.{part}": [channels] for part in parts}
    return found if instance else found | {f"{name}.num_batches_tracked": []}


def _ibn(name, channels):
    half = channels // 2
    return _norm(f"{name}.IN", half, instance=True) | _norm(f"{name}.BN", channels - half)


def _conv(name, outputs, inputs, size, bias=False):
    found = {f"{name}.weight": [outputs, inputs, size, size]}
    return found | {f"{name}.bias": [outputs]} if bias else found


def whole(backbone, channels, classes=7):
    """A whole network with a neck."""
    found = {f"backbone.{name}": shape for name, shape in backbone.items()}
    return found | _norm("heads.bottleneck.0", channels) | {"heads.weight": [classes, channels]}


def osnet(channels=(16, 64, 96, 128), ibn=False):
    """Three stages of two blocks with four streams each."""

    def block(name, inputs, outputs, instance):
        middle = outputs // 4
        found = _conv(f"{name}.conv1.conv", middle, inputs, 1) | _norm(f"{name}.conv1.bn", middle)
        for count, stream in enumerate("abcd", 1):
            for step in [""] if count == 1 else [f".{i}" for i in range(count)]:
                light = f"{name}.conv2{stream}{step}"
                found |= _conv(f"{light}.conv1", middle, middle, 1) | _conv(f"{light}.conv2", middle, 1, 3)
                found |= _norm(f"{light}.bn", middle)
        found |= _conv(f"{name}.gate.fc1", middle // 16, middle, 1, bias=True)
        found |= _conv(f"{name}.gate.fc2", middle, middle // 16, 1, bias=True)
        found |= _conv(f"{name}.conv3.conv", outputs, middle, 1) | _norm(f"{name}.conv3.bn", outputs)
        if inputs != outputs:
            found |= _conv(f"{name}.downsample.conv", outputs, inputs, 1)
            found |= _norm(f"{name}.downsample.bn", outputs)
        return found | (_norm(f"{name}.IN", outputs, instance=True) if instance else {})

    found = _conv("conv1.conv", channels[0], 3, 7) | _norm("conv1.bn", channels[0], instance=ibn)
    for stage in (1, 2, 3):
        inputs, outputs, name = channels[stage - 1], channels[stage], f"conv{stage + 1}"
        found |= block(f"{name}.0", inputs, outputs, ibn and stage == 1)
        found |= block(f"{name}.1", outputs, outputs, ibn and stage == 1)
        if stage < 3:
            found |= _conv(f"{name}.2.0.conv", outputs, outputs, 1) | _norm(f"{name}.2.0.bn", outputs)
    found |= _conv("conv5.conv", channels[3], channels[3], 1) | _norm("conv5.bn", channels[3])
    return whole(found, channels[3])


def mobilenet_v2():
    """Of width 0.1: (expansion, channels, blocks) of seven groups."""
    found = _conv("features.0.0", 4, 3, 3) | _norm("features.0.1", 4)
    inputs, number = 4, 1
    groups = [(1, 4, 1), (6, 4, 2), (6, 4, 3), (6, 8, 4), (6, 12, 3), (6, 16, 3), (6, 32, 1)]
    for expansion, outputs, blocks in groups:
        for _ in range(blocks):
            hidden, name = expansion * inputs, f"features.{number}.conv"
            convolutions = [(hidden, inputs, 1), (hidden, 1, 3), (outputs, hidden, 1)]
            for step, shape in enumerate(convolutions[expansion == 1 :]):
                found |= _conv(f"{name}.{3 * step}", *shape) | _norm(f"{name}.{3 * step + 1}", shape[0])
            inputs, number = outputs, number + 1
    return whole(found | _conv("conv.0", 1280, inputs, 1) | _norm("conv.1", 1280), 1280)


def repvgg(width=8, fused=False):
    """A0: each block three branches, or one convolution that is a parameter of the block itself."""
    found, inputs = {}, 3
    small = 48 * width // 64
    stages = [("stage0", small)]
    for stage, (blocks, factor) in enumerate([(2, 1), (4, 2), (14, 4), (1, 80 / 3)], 1):
        stages += [(f"stage{stage}.{block}", round(factor * small)) for block in range(blocks)]
    for name, outputs in stages:
        if fused:
            found |= {f"{name}.fused_weight": [outputs, inputs, 3, 3], f"{name}.fused_bias": [outputs]}
        else:
            for branch, size in (("rbr_dense", 3), ("rbr_1x1", 1)):
                found |= _conv(f"{name}.{branch}.conv", outputs, inputs, size)
                found |= _norm(f"{name}.{branch}.bn", outputs)
            if name != "stage0" and not name.endswith(".0"):
                found |= _norm(f"{name}.rbr_identity", outputs)
        inputs = outputs
    return whole(found, inputs)


def vit_small(patches, width=96):
    """Eight blocks with hidden layers of three times the width, queries without bias."""
    found = {"cls_token": [1, 1, width], "pos_embed": [1, 1 + patches, width]}
    found |= _conv("patch_embed.proj", width, 3, 16, bias=True)
    for block in range(8):
        name = f"blocks.{block}"
        found |= _norm(f"{name}.norm1", width, instance=True) | _norm(f"{name}.norm2", width, instance=True)
        found |= {f"{name}.attn.qkv.weight": [3 * width, width]}
        for layer, outputs, inputs in (("attn.proj", 1, 1), ("mlp.fc1", 3, 1), ("mlp.fc2", 1, 3)):
            found |= {f"{name}.{layer}.weight": [outputs * width, inputs * width]}
            found |= {f"{name}.{layer}.bias": [outputs * width]}
    return whole(found | _norm("norm", width, instance=True), width)


def resnext(blocks=(3, 4, 23, 3), width=64, ibn=True, ibn_last_stage=False):
    """32 groups of 4 channels."""
    found = _conv("conv1", width, 3, 7) | _norm("bn1", width)
    inputs = width
    for stage, count in enumerate(blocks):
        inner, outputs = 2 * width * 2**stage, 4 * width * 2**stage
        first_norm = _ibn if ibn and (stage < 3 or ibn_last_stage) else _norm
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            found |= _conv(f"{name}.conv1", inner, inputs, 1) | first_norm(f"{name}.bn1", inner)
            found |= _conv(f"{name}.conv2", inner, inner // 32, 3) | _norm(f"{name}.bn2", inner)
            found |= _conv(f"{name}.conv3", outputs, inner, 1) | _norm(f"{name}.bn3", outputs)
            if block == 0:
                found |= _conv(f"{name}.downsample.0", outputs, inputs, 1)
                found |= _norm(f"{name}.downsample.1", outputs)
            inputs = outputs
    return whole(found, inputs)
