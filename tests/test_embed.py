import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_reid.embed import main
from keras_reid.embedding import computing, embed_paths, l2_normalize
from keras_reid.embedding.named_images import find_images
from keras_reid.models import ReIDModel, load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint
from tests.export.conftest import small_model

pytestmark = pytest.mark.usefixtures("load_once")


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


def interrupt_after(batches, monkeypatch):
    """The embedding stops after so many batches, as by Ctrl-C."""
    real = computing.embedding_batches

    def embedding_batches(*arguments):
        for number, rows in enumerate(real(*arguments)):
            if number == batches:
                raise KeyboardInterrupt
            yield rows

    monkeypatch.setattr(computing, "embedding_batches", embedding_batches)


def counted(monkeypatch):
    """The files that are embedded, call by call."""
    calls, real = [], computing.embedding_batches

    def embedding_batches(model, paths, *arguments):
        calls.append([os.path.basename(path) for path in paths])
        return real(model, paths, *arguments)

    monkeypatch.setattr(computing, "embedding_batches", embedding_batches)
    return calls


def test_interrupted_it_goes_on_from_there(folder, tmp_path, monkeypatch, capsys):
    images = tmp_path / "images"
    shutil.copytree(folder / "images", images)
    whole, output = tmp_path / "whole.npz", tmp_path / "out.npz"
    main([str(folder), str(images), "--output", str(whole), "--batch-size", "2"])
    arguments = [str(folder), str(images), "--output", str(output), "--batch-size", "2"]
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            main(arguments)
    assert not output.exists()
    assert "4 embeddings are kept" in capsys.readouterr().err
    # What has changed in the meantime is embedded anew, and the images may be others.
    os.utime(images / "b.jpg", ns=(1, 1))
    (images / "c.jpeg").unlink()
    calls = counted(monkeypatch)
    main(arguments)
    assert calls == [["b.jpg", "e.bmp"]]
    assert "2 embeddings are there from before, 2 are left" in capsys.readouterr().err
    with np.load(output) as found, np.load(whole) as expected:
        assert found["paths"].tolist() == [path for path in expected["paths"] if "c.jpeg" not in path]
        np.testing.assert_allclose(found["embeddings"], expected["embeddings"][[0, 1, 3, 4]], atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.npz", "whole.npz"]


def test_what_another_model_began_is_not_gone_on_with(folder, tmp_path, monkeypatch):
    small_model(seed=3).save(tmp_path / "other.keras")
    arguments = [str(folder / "images"), "--output", str(tmp_path / "out.npz"), "--batch-size", "2"]
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            main([str(tmp_path / "other.keras"), *arguments])
    calls = counted(monkeypatch)
    main([str(folder), *arguments])
    assert [len(call) for call in calls] == [5]


def test_written_in_blocks(folder, tmp_path, monkeypatch):
    main([str(folder), str(folder / "images"), "--output", str(tmp_path / "one.npz")])
    monkeypatch.setattr("keras_reid.embedding.npz_file._ROWS", 2)
    main([str(folder), str(folder / "images"), "--output", str(tmp_path / "two.npz")])
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        for name in ("paths", "embeddings"):
            np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize("few", [0, 64])  # by a pipeline, and without one
def test_an_image_that_breaks_in_between(folder, tmp_path, monkeypatch, few):
    """After it was found readable: it is named all the same."""
    monkeypatch.setattr(computing, "_FEW", few)
    images = tmp_path / "images"
    shutil.copytree(folder / "images", images)
    real = computing.embedding_batches

    def embedding_batches(*arguments):
        (images / "c.jpeg").write_text("no image")
        return real(*arguments)

    monkeypatch.setattr(computing, "embedding_batches", embedding_batches)
    output = tmp_path / "out.npz"
    with pytest.raises(UserError, match=r"1 of 5 images cannot be read: .*c\.jpeg: not a JPEG"):
        main([str(folder), str(images), "--output", str(output)])
    assert not output.exists()


def test_names_that_are_not_unicode(folder, tmp_path):
    name = os.fsdecode(b"caf\xe9 \xc3\xa9.png")
    shutil.copy(folder / "images" / "a.PNG", tmp_path / name)
    main([str(folder), str(tmp_path), "--output", str(tmp_path / "out.npz")])
    with np.load(tmp_path / "out.npz") as saved:
        assert saved["paths"].tolist() == [str(tmp_path / name)]


@pytest.mark.parametrize("change", ["weights", "size", "calibration", "copy"])
def test_the_fingerprint_tells_models_apart_by_what_they_give(tmp_path, change):
    model = small_model()
    model.save(tmp_path / "a.keras")
    if change == "weights":
        model.weights[0].assign_add(np.full(model.weights[0].shape, 1e-6))
    elif change == "size":
        model = ReIDModel(model.backbone, model.pooling, model.head, image_size=(16, 16))
    elif change == "calibration":
        model.metadata.update({"calibration": {"metric": "cosine"}, "threshold": 0.3})
    model.save(tmp_path / "b.keras")
    same = fingerprint(tmp_path / "a.keras") == fingerprint(tmp_path / "b.keras")
    assert same == (change in ("calibration", "copy"))


def test_the_fingerprint_of_a_damaged_file(tmp_path):
    (tmp_path / "a.keras").write_text("no zip")
    with pytest.raises(
        UserError, match=r"a\.keras: not a Keras model file: its config\.json is missing or damaged"
    ):
        fingerprint(tmp_path / "a.keras")


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


def test_an_image_that_is_too_large_is_refused_by_its_header(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_REID_MAX_MEGAPIXELS", "0.01")
    large, output = tmp_path / "large.png", tmp_path / "out.npz"
    Image.new("RGB", (200, 100)).save(large)
    arguments = [str(folder), str(folder / "images"), str(large), "--output", str(output)]
    with pytest.raises(
        UserError, match=r"large\.png: 200 x 100 pixels, more than 0\.01 megapixels; make it sm"
    ):
        main(arguments)
    main([*arguments, "--skip-unreadable"])
    assert "large.png: 200 x 100 pixels" in capsys.readouterr().err
    with np.load(output) as saved:
        assert str(large) not in saved["paths"]


def test_images_are_known_by_their_content(folder, tmp_path, capsys):
    images, output = tmp_path / "images", tmp_path / "out.npz"
    images.mkdir()
    for name, source in {"a.jfif": "b.jpg", "b": "a.PNG", "c.frame7": "sub/e.bmp"}.items():
        shutil.copy(folder / "images" / source, images / name)
    main([str(folder), str(images), "--output", str(output)])
    with np.load(output) as saved:
        assert saved["paths"].tolist() == [str(images / name) for name in ("a.jfif", "b", "c.frame7")]
    # What is an image and cannot be decoded is named with its kind.
    with Image.open(images / "b") as image:
        image.save(images / "d", "TIFF")
        image.save(images / "e.jp2", "PPM")
    with pytest.raises(
        UserError, match=r"^2 of 5 images .*/d: TIFF is not supported; .*/e\.jp2: PPM, PGM or PBM"
    ):
        main([str(folder), str(images), "--output", str(output)])
    main([str(folder), str(images), "--output", str(output), "--skip-unreadable"])
    assert "left out 2 of 5 images" in capsys.readouterr().err


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
    # The weights are numbers; the embeddings are too large for any.
    model.head.neck.gamma.assign(np.full(8, 3e38))
    model.head.neck.moving_variance.assign(np.zeros(8))
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"a\.PNG holds NaN or infinity"):
        main([str(tmp_path), str(folder / "images"), "--output", str(tmp_path / "out.npz")])
    assert not (tmp_path / "out.npz").exists()


def test_nothing_to_embed(folder):
    model = load_model(folder)
    with pytest.raises(UserError, match="there is no image to embed"):
        embed_paths(model, [])
    with pytest.raises(UserError, match="`batch_size` must be at least 1"):
        embed_paths(model, ["a.jpg"], batch_size=0)


def test_what_somebody_else_put_where_its_folder_goes_is_refused(folder, tmp_path):
    """In a folder that all may write to, such as /tmp, the name of the folder beside the output can be guessed."""
    arguments = [str(folder), str(folder / "images"), "--output", str(tmp_path / "out.npz")]
    (tmp_path / "victim").mkdir()
    (tmp_path / ".out.part").symlink_to("victim")
    with pytest.raises(UserError, match=r"\.out\.part is a link, which is not followed"):
        main(arguments)
    (tmp_path / ".out.part").unlink()
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part").chmod(0o777)
    with pytest.raises(UserError, match=r"\.out\.part belongs to another user or is writable by everyone"):
        main(arguments)
    assert list((tmp_path / "victim").iterdir()) == list((tmp_path / ".out.part").iterdir()) == []
    assert not (tmp_path / "out.npz").exists()
