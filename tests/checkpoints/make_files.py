"""Makes the files in `files/` with PyTorch, which the tests themselves do not need.

Made with PyTorch 2.13: python -m tests.checkpoints.make_files
"""

import collections
import io
import pathlib
import zipfile

import numpy as np
import torch

from tests.checkpoints.contents import state_dict, views

FILES = pathlib.Path(__file__).parent / "files"


def tensors():
    """The contents as tensors that lie as described there."""
    own = {name: torch.tensor(value) for name, value in state_dict().items()}
    matrix = own["matrix"]
    return collections.OrderedDict(
        own
        | {
            "conv1.bias": torch.nn.Parameter(own["conv1.bias"]),
            "bfloat16": own["bfloat16"].bfloat16(),
            "transposed": matrix.T,
            "part": matrix[1:3, ::2],
            "row": matrix[2],
        }
    )


def checkpoint():
    """A checkpoint as training leaves it: weights beside the state of optimizer and schedule, and a metric."""
    weight = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = torch.optim.Adam([weight], lr=3e-4)
    weight.sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[40, 90])
    return {
        "model": tensors(),
        "optimizer": optimizer.state_dict(),
        "lr_sched": schedule.state_dict(),  # holds a Counter
        "history": collections.defaultdict(list, {"loss": [1.5, 0.5]}),
        "metric": np.float64(0.875),
        "confusion": np.eye(2),
        "device": torch.device("cpu"),
        "size": torch.Size([256, 128]),
        "type": torch.float16,
        "seen": {1, 2},
        "epoch": 59,
    }


def lazy_views():
    """The contents as views that PyTorch saves as such: with marks, or with strides that repeat values."""
    plain = {name: torch.tensor(value.copy()) for name, value in views().items()}
    matrix = plain["imaginary"]

    def negative(values):
        return torch.complex(torch.zeros_like(values), values).conj().imag

    own = {
        "imaginary": torch.complex(torch.zeros_like(matrix), matrix).imag,
        "negative": negative(matrix),
        "negative.parameter": torch.nn.Parameter(negative(matrix)),
        "negative.part": negative(matrix)[1:3, ::2].T,
        "negative.double": negative(-plain["negative.double"]),
        "negative.half": negative(-plain["negative.half"]),
        "expanded": plain["expanded"][0].clone().expand(4, 3),
        "expanded.scalar": torch.tensor(2.5).expand(5),
        "expanded.middle": matrix[:, None].expand(4, 2, 6),
        "expanded.negative": negative(matrix)[0].expand(3, 6),
        "windows": torch.arange(6.0).div(8).sub(1).unfold(0, 3, 1),
        "diagonal": matrix.diagonal(),
        "permuted": plain["permuted"].permute(1, 2, 0).contiguous().permute(2, 0, 1),
    }
    assert all(own[name].is_neg() == ("negative" in name) for name in own)
    return own


def swapped(data):
    """A small file of a big-endian machine: torch marks them so, and swaps the bytes of values."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name.endswith("/byteorder"):
                member = b"big"
            elif "/data/" in name:
                member = np.frombuffer(member, "<f4").astype(">f4").tobytes()
            new.writestr(name, member)
    return content.getvalue()


def main():
    FILES.mkdir(exist_ok=True)
    for name, old in (("zip", False), ("old", True)):
        options = {"_use_new_zipfile_serialization": not old}
        torch.save(tensors(), FILES / f"state_dict_{name}.pth", **options)
        torch.save(checkpoint(), FILES / f"checkpoint_{name}.pth", **options)
        torch.save(lazy_views(), FILES / f"views_{name}.pth", **options)
    torch.save({"state_dict": tensors(), "epoch": 3}, FILES / "protocol_4.pth", pickle_protocol=4)
    file = io.BytesIO()
    torch.save({"weight": torch.arange(6.0).reshape(2, 3)}, file)
    (FILES / "big_endian.pth").write_bytes(swapped(file.getvalue()))
    torch.save({"weight": torch.eye(3).to_sparse()}, FILES / "sparse.pth")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(FILES / "torchscript.pth"))
    torch.save(torch.nn.Linear(2, 2), FILES / "module.pth")
    torch.save({"model": torch.nn.Linear(2, 2), "epoch": 3}, FILES / "module_inside.pth")
    torch.save({"weight": torch.eye(2, dtype=torch.complex64).conj()}, FILES / "conjugate.pth")


if __name__ == "__main__":
    main()
