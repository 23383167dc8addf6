"""`Synthetic`: what it writes, and that nothing half-written is taken for a data set."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from PIL import Image

from keras_reid.data import Synthetic
from keras_reid.data.synthetic import PRESETS, drawn_set, reader
from keras_reid.data.synthetic.__main__ import main
from keras_reid.data.synthetic.drawn_set import settings
from keras_reid.utils.errors import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", params=["person", "vehicle"])
def tiny(request, root):
    return Synthetic("tiny", request.param).read(root)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(pathlib.Path(folder).rglob("*.jpg"))
    }


def test_counts_and_protocol(tiny):
    assert [
        (row["subset"], row["identities"], row["images"], row["cameras"]) for row in tiny.statistics()
    ] == [
        ("train", 8, 48, 3),
        ("query", 8, 24, 3),
        ("gallery", 8, 48, 3),
    ]
    assert tiny.protocol == "cross_camera"
    assert tiny.name.startswith("synthetic-")


def test_files_open_and_have_the_size_of_the_preset(tiny):
    size = (48, 48) if "vehicle" in tiny.name else (32, 64)
    for sample in (*tiny.train, *tiny.query, *tiny.gallery):
        with Image.open(sample.path) as image:
            image.load()
            assert (image.size, image.mode, image.format) == (size, "RGB", "JPEG")


def test_file_names_say_identity_and_camera(tiny):
    for sample in tiny.gallery:
        assert os.path.basename(sample.path).startswith(f"{sample.identity:04d}_c{sample.camera}_")


def test_the_parts_share_nothing(tiny):
    parts = {"train": tiny.train, "query": tiny.query, "gallery": tiny.gallery}
    identities = {part: {sample.identity for sample in samples} for part, samples in parts.items()}
    assert not identities["train"] & (identities["query"] | identities["gallery"])
    assert identities["query"] == identities["gallery"]
    contents = [pathlib.Path(s.path).read_bytes() for samples in parts.values() for s in samples]
    assert len(set(contents)) == len(contents)


def test_the_second_read_draws_nothing(tiny, root, monkeypatch):
    monkeypatch.setattr(reader, "generate", None)  # would raise when called
    kind = "vehicle" if "vehicle" in tiny.name else "person"
    assert Synthetic("tiny", kind).read(root) == tiny


def test_same_settings_same_files(tiny, root, tmp_path):
    kind = "vehicle" if "vehicle" in tiny.name else "person"
    again = Synthetic("tiny", kind)
    again.read(tmp_path)
    assert digests(again.folder(root)) == digests(again.folder(tmp_path))


def test_files_do_not_depend_on_the_number_of_processes(root, tmp_path, monkeypatch):
    Synthetic("tiny").read(root)
    monkeypatch.setattr(drawn_set, "WORTH_A_PROCESS", 30)
    several = Synthetic("tiny", processes=3)
    several.read(tmp_path)
    assert several.folder(root).name == several.folder(tmp_path).name
    assert digests(several.folder(root)) == digests(several.folder(tmp_path))


def test_manifest(tiny, root):
    kind = "vehicle" if "vehicle" in tiny.name else "person"
    manifest = json.loads((Synthetic("tiny", kind).folder(root) / "manifest.json").read_text())
    assert manifest["settings"] == settings(kind, PRESETS["tiny"], 0)
    assert manifest["settings"]["version"] == drawn_set.VERSION
    assert manifest["images"] == {"train": 48, "query": 24, "gallery": 48}
    assert "CC0" in manifest["licence"]


def test_every_setting_has_a_folder_of_its_own(monkeypatch):
    readers = [
        Synthetic(),
        Synthetic("large"),
        Synthetic(kind="vehicle"),
        Synthetic(seed=1),
        Synthetic(image_size=(64, 32)),
        Synthetic(domain="evening"),
        Synthetic(queries="partial"),
        Synthetic(queries="occluded"),
    ]
    folders = {str(each.folder("data")) for each in readers}
    assert len(folders) == len(readers) == len({each.name for each in readers}) + 1  # no size in the name
    assert Synthetic(processes=7).folder("data") == Synthetic().folder("data")
    before = Synthetic().folder("data")
    monkeypatch.setattr(drawn_set, "VERSION", drawn_set.VERSION + 1)
    assert Synthetic().folder("data") != before


def test_image_size_is_an_option(tmp_path, monkeypatch):
    monkeypatch.setitem(
        PRESETS, "tiny", replace(PRESETS["tiny"], train_identities=1, test_identities=1, cameras=2)
    )
    dataset = Synthetic("tiny", image_size=[40, 24]).read(tmp_path)
    with Image.open(dataset.train[0].path) as image:
        assert image.size == (24, 40)


def test_only_the_queries_have_another_view(root, tmp_path):
    whole, partial = Synthetic("tiny"), Synthetic("tiny", queries="partial", processes=1)
    whole.read(root)
    dataset = partial.read(tmp_path)
    before, after = digests(whole.folder(root)), digests(partial.folder(tmp_path))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"query/{os.path.basename(s.path)}" for s in dataset.query}
    manifest = json.loads((partial.folder(tmp_path) / "manifest.json").read_text())
    assert manifest["settings"] == settings("person", PRESETS["tiny"], 0, queries="partial")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "huge"}, r"`preset` .* 'tiny', 'small', 'large'.* Received: 'huge'"),
        ({"kind": "horse"}, r"`kind` .* 'person', 'vehicle'.* Received: 'horse'"),
        ({"seed": -1}, r"`seed` must be an integer, 0 or larger. Received: seed=-1"),
        ({"seed": 0.5}, r"Received: seed=0.5"),
        ({"processes": 0}, r"`processes` must be at least 1"),
        ({"domain": "night"}, r"`domain` .* 'day', 'evening'.* Received: 'night'"),
        ({"queries": "half"}, r"`queries` .* 'whole', 'partial', 'occluded'.* Received: 'half'"),
        ({"image_size": (8, 64)}, r"`image_size` must be \(height, width\), each at least 16"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        Synthetic(**arguments)


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder, *_, **__):
        (folder / "train").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(reader, "generate", fail)
    with pytest.raises(KeyboardInterrupt):
        Synthetic("tiny").read(tmp_path)
    assert [path.name for path in (tmp_path / "synthetic").iterdir() if path.is_dir()] == []


def test_a_left_over_partial_folder_is_not_taken(tmp_path):
    synthetic = Synthetic("tiny")
    folder = synthetic.folder(tmp_path)
    left_over = folder.with_name(f".{folder.name}.partial-abc")
    (left_over / "train").mkdir(parents=True)
    (left_over / "train" / "0001_c1_00.jpg").write_bytes(b"half")
    assert len(synthetic.read(tmp_path).train) == 48
    assert not left_over.exists()


def test_killed_while_drawing(tmp_path):
    """After `kill -9` there is no folder that could be read, the children end, and the next read is complete."""
    code = f"from keras_reid.data import Synthetic; Synthetic('small', processes=2).read({str(tmp_path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.jpg")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.rglob("*.jpg"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not Synthetic("small").folder(tmp_path).exists()
    before = -1
    while len(drawn := list(tmp_path.rglob("*.jpg"))) != before and time.monotonic() < deadline:
        before = len(drawn)
        time.sleep(2)  # longer than an identity takes
    assert len(drawn) < 3000


def test_missing_images_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(
        PRESETS, "tiny", replace(PRESETS["tiny"], train_identities=1, test_identities=1, cameras=2)
    )
    synthetic = Synthetic("tiny")
    dataset = synthetic.read(tmp_path)
    os.remove(dataset.gallery[1].path)
    with pytest.raises(
        UserError, match=r"gallery must contain 4 images, but 1 are missing; the first is 0002_c1_01.jpg"
    ):
        synthetic.read(tmp_path)
    (synthetic.folder(tmp_path) / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"no readable manifest.json.* delete the folder"):
        synthetic.read(tmp_path)


def test_unwritable_root(tmp_path):
    (tmp_path / "synthetic").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot draw or read the synthetic data set"):
        Synthetic("tiny").read(tmp_path)


def test_a_failing_process_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_set, "WORTH_A_PROCESS", 30)
    monkeypatch.setattr(drawn_set.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="exit codes"):
        Synthetic("tiny", processes=2).read(tmp_path)
    assert not Synthetic("tiny").folder(tmp_path).exists()


def test_command(tmp_path, capsys):
    main(["--preset", "tiny", "--output", str(tmp_path / "sheet.png"), "--identities", "2"])
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (213, 137)
    main(["--preset", "tiny", "--kind", "vehicle", "--output", str(tmp_path)])
    assert "vehicle-tiny-0" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("*.jpg"))) == 120


def test_the_command_refuses_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^invalid choice 'night' for argument '--domain'.*\bevening\b"):
        main(["--domain", "night", "--output", str(tmp_path / "sheet.png")])
