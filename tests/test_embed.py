import numpy as np
import pytest
from PIL import Image

from keras_reid.embed import main
from keras_reid.errors import UserError
from keras_reid.evaluation import embed_paths, l2_normalize
from keras_reid.evaluation.image_files import find_images
from keras_reid.models import load_model
from tests.export.conftest import small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and a folder of five images with one in a sub-folder."""
    folder = tmp_path_factory.mktemp("embed")
    small_model().save(folder / "model.keras")
    rng = np.random.default_rng(0)
    (folder / "images" / "sub").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "c.jpeg", "sub/d.png", "sub/e.bmp"):
        Image.fromarray(rng.integers(0, 256, (32, 16, 3), np.uint8)).save(folder / "images" / name)
    (folder / "images" / "notes.txt").write_text("no image")
    (folder / "images" / ".hidden.jpg").write_text("no image")
    return folder


def test_folders_and_files_in_order(folder, tmp_path, capsys):
    images, output = folder / "images", tmp_path / "new" / "out.npz"
    main([str(folder), str(images / "c.jpeg"), str(images), "--output", str(output)])
    with np.load(output) as saved:
        paths, embeddings = saved["paths"].tolist(), saved["embeddings"]
    names = ["c.jpeg", "a.PNG", "b.jpg", "c.jpeg", "sub/d.png", "sub/e.bmp"]
    assert paths == [str(images / name) for name in names]
    assert (embeddings.shape, embeddings.dtype) == ((6, 8), np.float32)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(embeddings[0], embeddings[3], atol=1e-6)
    pixels = np.asarray(Image.open(images / "a.PNG"))[None]
    expected = l2_normalize(load_model(folder).predict(pixels, verbose=0))
    np.testing.assert_allclose(embeddings[1], expected[0], atol=1e-6)
    assert "6 embeddings of 8 numbers" in capsys.readouterr().out


def test_the_batch_size_changes_nothing_but_speed(folder):
    model, paths = load_model(folder), find_images([folder / "images"])
    expected = embed_paths(model, paths)
    assert expected.dtype == np.float32
    assert not np.allclose(np.linalg.norm(expected, axis=1), 1)  # raw
    np.testing.assert_allclose(embed_paths(model, paths, batch_size=2), expected, atol=1e-5)


def test_flip_averages_with_the_mirror_image(folder):
    model, path = load_model(folder), str(folder / "images" / "a.PNG")
    pixels = np.asarray(Image.open(path))[None]
    both = [model.predict(view, verbose=0) for view in (pixels, pixels[:, :, ::-1])]
    flipped = embed_paths(model, [path], flip=True)
    np.testing.assert_allclose(flipped, (both[0] + both[1]) / 2, atol=1e-5)
    assert not np.allclose(flipped, both[0], atol=1e-3)


def test_a_broken_image_is_named_and_nothing_written(folder, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes((folder / "images" / "b.jpg").read_bytes()[:300])
    output = tmp_path / "out.npz"
    arguments = [str(folder), str(folder / "images"), str(bad), "--output", str(output)]
    with pytest.raises(UserError, match=r"bad\.jpg"):
        main(arguments)
    assert not output.exists()
    main([*arguments, "--skip-unreadable"])
    assert str(bad) in capsys.readouterr().err
    with np.load(output) as saved:
        assert len(saved["paths"]) == 5
        assert str(bad) not in saved["paths"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jpg", "out.npz"]


def test_says_what_is_wrong(folder, tmp_path):
    images, output = str(folder / "images"), str(tmp_path / "out.npz")
    (tmp_path / "empty").mkdir()
    for arguments, message in [
        ([str(tmp_path / "no"), images, "--output", output], "there is no such run directory"),
        (
            [str(folder), str(tmp_path / "no.jpg"), "--output", output],
            r"no\.jpg: there is no such file or folder",
        ),
        ([str(folder), str(tmp_path / "empty"), "--output", output], "empty: the folder holds no image"),
        ([str(folder), "--output", output], "name at least one image"),
        ([str(folder), images, "--output", str(tmp_path / "out.npy")], r"must be a file that ends in \.npz"),
        ([str(folder), images, "--output", output, "--batch-size", "0"], "--batch-size must be at least 1"),
    ]:
        with pytest.raises(UserError, match=message):
            main(arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_model_that_gives_nan_is_refused(folder, tmp_path):
    model = small_model()
    model.head.neck.gamma.assign(np.full(8, np.nan))
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"a\.PNG: the model gives NaN or infinity"):
        main([str(tmp_path), str(folder / "images"), "--output", str(tmp_path / "out.npz")])
    assert not (tmp_path / "out.npz").exists()


def test_nothing_to_embed(folder):
    model = load_model(folder)
    with pytest.raises(UserError, match="there is no image to embed"):
        embed_paths(model, [])
    with pytest.raises(UserError, match="`batch_size` must be at least 1"):
        embed_paths(model, ["a.jpg"], batch_size=0)
