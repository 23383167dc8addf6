import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins import projector

from keras_reid.data import Sample
from keras_reid.data.dataset import ReIDDataset
from keras_reid.evaluation import Features
from keras_reid.visualization.projector import draw_batch, write_projector


def make(folder, name="mine"):
    samples = []
    for number in range(12):
        path = folder / f"{number}.png"
        Image.new("RGB", (20, 40), (20 * number, 0, 0)).save(path)
        samples.append(Sample(str(path), identity=f"p{number % 4}", camera=number // 4))
    dataset = ReIDDataset(name, query=tuple(samples[:4]), gallery=tuple(samples[4:]))
    embeddings = np.random.default_rng(0).normal(size=(12, 5))
    query_labels, gallery_labels = dataset.test_labels()
    return dataset, Features(embeddings[:4], *query_labels), Features(embeddings[4:], *gallery_labels)


def test_writes_what_tensorboard_reads(tmp_path):
    dataset, query, gallery = make(tmp_path)
    write_projector(tmp_path / "log", dataset, query, gallery)
    config = projector.ProjectorConfig()
    text_format.Parse((tmp_path / "log" / "projector_config.pbtxt").read_text(), config)
    (embedding,) = config.embeddings
    values = np.loadtxt(tmp_path / "log" / embedding.tensor_path, delimiter="\t")
    lines = (tmp_path / "log" / embedding.metadata_path).read_text().splitlines()
    assert lines[0] == "identity\tcamera\tpart\tfile"
    assert len(lines) - 1 == len(values) == 12
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-4)
    assert [line.split("\t")[0] for line in lines[1:]] == [f"p{k}" for k in range(4) for _ in range(3)]
    assert [line.split("\t")[2] for line in lines[1:4]] == ["query", "gallery", "gallery"]
    with Image.open(tmp_path / "log" / embedding.sprite.image_path) as sprite:
        high, wide = embedding.sprite.single_image_dim
        assert sprite.size == (4 * wide, 4 * high)
        # Each picture is in the place of its line: the red of image n is 20·n.
        for index, line in enumerate(lines[1:]):
            number = int(line.split("\t")[3].removesuffix(".png"))
            place = (index % 4 * wide + wide // 2, index // 4 * high + high // 2)
            assert sprite.getpixel(place) == (20 * number, 0, 0)


def test_takes_whole_identities_up_to_a_number_and_several_sets(tmp_path):
    for name in ("one", "two", "one"):
        write_projector(tmp_path / "log", *make(tmp_path, name), images=6)
    lines = (tmp_path / "log" / "one_metadata.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == ["p0"] * 3 + ["p1"] * 3
    config = projector.ProjectorConfig()
    text_format.Parse((tmp_path / "log" / "projector_config.pbtxt").read_text(), config)
    assert [embedding.tensor_name for embedding in config.embeddings] == ["two", "one"]


def test_a_sheet_of_a_batch():
    images = np.zeros((5, 32, 16, 3), "uint8")
    images[1] = 200
    sheet = draw_batch(images, list("abcde"), columns=2, rows=2)
    assert sheet.size == (32, 2 * 46)
    assert sheet.getpixel((16 + 8, 16)) == (200, 200, 200)
    strip = np.asarray(sheet)[32:46]
    assert (strip < 100).any(), "the identity is written below"
