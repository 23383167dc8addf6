import subprocess
import sys

import pytest
import tensorflow as tf

from keras_reid.data import Records
from keras_reid.pack import main
from keras_reid.utils.errors import UserError
from tests.data.images import write_image

EXPERIMENT = """
from keras_reid import experiment as ex
from keras_reid.data import Folder
experiment = ex.Experiment(data=ex.Data(dataset=Folder(pattern=r"(?P<identity>\\d)_(?P<camera>\\d)")))
"""


@pytest.fixture
def file(tmp_path):
    for place in range(16):
        write_image(tmp_path / "images" / f"{place // 4}_{place % 4}.jpg", place)
    (tmp_path / "mine.py").write_text(EXPERIMENT)
    return str(tmp_path / "mine.py")


def test_packs_the_data_set_of_an_experiment(file, tmp_path, capsys):
    main([file, str(tmp_path / "packed"), "--root", str(tmp_path / "images")])
    assert "1 TFRecord files in" in capsys.readouterr().out
    dataset = Records("packed").read(tmp_path)
    assert [row["images"] for row in dataset.statistics()] == [8, 6, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["market", "out"], "SOURCE must be one of market1501, .* Received: 'market'"),
        (["market1501", "out", "--root", "nowhere"], "nowhere does not exist; Market-1501 is laid out as"),
        (["market1501", "out", "--shard-megabytes", "0"], "must be above 0"),
    ],
)
def test_mistakes_are_said(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        main(arguments)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(file, tmp_path, monkeypatch):
    def full(self, record):
        raise tf.errors.ResourceExhaustedError(
            None, None, "/x/images-00000.tfrecord; No space left on device"
        )

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"No space left on device: .*packed") as caught:
        main([file, str(tmp_path / "packed"), "--root", str(tmp_path / "images")])
    assert caught.value.filename == str(tmp_path / "packed")
    assert sorted(tmp_path.iterdir()) == before


def test_help_needs_no_tensorflow():
    code = (
        "import sys, runpy; sys.argv = ['pack', '--help']\n"
        "try: runpy.run_module('keras_reid.pack', run_name='__main__')\n"
        "finally: assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SOURCE FOLDER" in " ".join(done.stdout.split())
