import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata

import numpy as np
import pytest
from PIL import Image

import keras_reid.models
from keras_reid.embedding import computing, embed_paths, store
from keras_reid.evaluation import Distances, Features
from keras_reid.gallery import SearchHit, SearchResult
from keras_reid.search import _say_drift, main
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_metadata import update_metadata
from tests.evaluation.calibration.test_calibration import line
from tests.export.conftest import small_model

pytestmark = pytest.mark.usefixtures("load_once")

NAMES = ("a b.jpg", "ä–ö [1].png", "c.bmp", "sub/d.png", "sub/e's.JPG")
GREEN, AMBER, GREY = (0x1A, 0x7F, 0x37), (0x9A, 0x67, 0x00), (0x57, 0x60, 0x6A)


def write(path, seed):
    rng = np.random.default_rng(seed)
    # Two colours a picture: embeddings that differ.
    pixels = np.repeat(rng.integers(0, 256, (2, 1, 3)), 16, axis=0) + rng.integers(0, 30, (32, 16, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three model files: calibrated, not calibrated, and another one."""
    folder = tmp_path_factory.mktemp("models")
    model = small_model()
    model.save(folder / "plain.keras")
    model.metadata.update(line(distances=[0.0, 0.02]).to_metadata())
    model.save(folder / "calibrated.keras")
    small_model(seed=3).save(folder / "other.keras")
    return folder


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Five images, and a query outside; the working folder is that of both."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(NAMES):
        write(tmp_path / "album" / name, seed)
    write(tmp_path / "query.png", 9)
    return tmp_path / "album"


@pytest.fixture
def embedded(monkeypatch):
    """The files that are embedded for an index, call by call."""
    calls = []
    real = computing.embedding_batches

    def embedding_batches(model, paths, *arguments):
        names = [os.path.relpath(path, "album") for path in paths]
        if not names[0].startswith(".."):  # a query
            calls.append(names)
        return real(model, paths, *arguments)

    monkeypatch.setattr(computing, "embedding_batches", embedding_batches)
    return calls


@pytest.fixture
def search(models, capsys):
    """Calls the command, and returns what it printed as JSON, and what it said."""

    def call(*arguments, model="plain.keras"):
        chosen = ["--model", str(models / model)] if model else []
        main([*map(str, arguments), "--gallery", "album", *chosen, "--json"])
        printed = capsys.readouterr()
        return json.loads(printed.out), printed.err

    return call


def brute_force(model, query, paths, metric="cosine", flip=False):
    rows = embed_paths(model, [query, *paths], flip=flip)
    features = Features(rows, np.arange(len(rows)), None)
    distances = np.asarray(Distances(features[:1], features[1:], metric))[0]
    return [(paths[place], distances[place]) for place in np.argsort(distances)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"flip": True}, marks=pytest.mark.medium),
        pytest.param({"metric": "euclidean", "distances": [0.0, 9.0]}, marks=pytest.mark.medium),
    ],
)
def test_finds_what_a_comparison_with_each_image_finds(album, models, search, tmp_path, changes):
    model = keras_reid.models.load_model(models / "calibrated.keras")
    calibration = dataclasses.replace(line(distances=[0.0, 0.02]), **changes)
    shutil.copy(models / "calibrated.keras", tmp_path / "model.keras")
    update_metadata(tmp_path / "model.keras", calibration.to_metadata())
    (found,), _ = search("query.png", model=tmp_path / "model.keras")
    paths = [f"album/{name}" for name in NAMES]
    expected = brute_force(model, "query.png", paths, calibration.metric, calibration.flip)
    assert (found["query"], found["metric"], found["prior"]) == ("query.png", calibration.metric, 0.5)
    assert [image["path"] for image in found["images"]] == [path for path, _ in expected]
    for image, (_, distance) in zip(found["images"], expected, strict=True):
        assert image["distance"] == pytest.approx(distance, rel=1e-4, abs=1e-6)
        told = calibration.verdict(image["distance"])
        assert (image["verdict"], image["probability"]) == (told.verdict, pytest.approx(told.probability))


def test_tables_and_pictures(album, models, capsys):
    model = ["--model", str(models / "calibrated.keras")]
    main(["album/a b.jpg", "album/ä–ö [1].png", "query.png", "--gallery", "album", "--top", "2", *model])
    printed = capsys.readouterr()
    text = unicodedata.normalize("NFC", " ".join(printed.out.split()))
    for word in (
        "query album/a b.jpg",
        "query album/ä–ö [1].png",
        "Probability",
        "Verdict",
        "a prior of 0.5",
    ):
        assert word in text
    assert len(re.findall(r"│ [12] │", text)) == 6
    names = sorted(path.name for path in (album.parent / "search_results").iterdir())
    assert names == ["a_b.png", "query.png", "ä_ö_1_.png"]
    assert "3 pictures in search_results" in printed.err
    main(["query.png", "--gallery", "album", "--prior", "0.001", "--output", "other", *model])
    with Image.open("other/query.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert "a prior of 0.001" in " ".join(capsys.readouterr().out.split())
    assert not (pixels == GREEN).all(-1).any()


def test_queries_of_one_name_have_pictures_of_their_own(album, models):
    write(album.parent / "more" / "query.png", 10)
    model = ["--model", str(models / "plain.keras")]
    main(["query.png", "more", "--gallery", "album", "--top", "1", "--output", "drawn", *model])
    assert sorted(path.name for path in (album.parent / "drawn").iterdir()) == ["query-2.png", "query.png"]


def test_without_calibration_there_is_no_verdict_but_advice(album, models, search, capsys):
    (found,), said = search("query.png")
    assert {image["verdict"] for image in found["images"]} == {None}
    assert f"no verdict: the model is not calibrated. `keras-reid calibrate {models}" in said
    assert not (album.parent / "search_results").exists()  # JSON, and no --output
    main(["query.png", "--gallery", "album"])
    printed = capsys.readouterr()
    assert "Verdict" not in printed.out
    with Image.open("search_results/query.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels == GREY).all(-1).any()
    assert not any((pixels == colour).all(-1).any() for colour in (GREEN, AMBER))


def test_a_query_of_the_gallery_is_not_found_itself(album, search):
    (found,), _ = search("album/sub/d.png", "--top", "9")
    assert len(found["images"]) == 4
    assert "album/sub/d.png" not in [image["path"] for image in found["images"]]
    shutil.copy(album / "sub" / "d.png", album.parent / "copy.png")
    (found,), _ = search("copy.png", "--top", "1")
    assert found["images"][0]["path"] == "album/sub/d.png"
    assert found["images"][0]["distance"] == pytest.approx(0, abs=1e-6)


def test_the_index_embeds_only_what_is_new_or_changed(album, models, search, embedded, tmp_path):
    _, said = search("query.png")
    assert "a new one, of 5 images" in said
    first = search("query.png")
    assert "5 images known, 0 new, 0 changed, 0 gone" in first[1]
    write(album / "sub" / "f.png", 7)
    write(album / "c.bmp", 8)
    os.utime(album / "c.bmp", ns=(1, 1))
    (album / "a b.jpg").unlink()
    (found,), said = search("query.png")
    assert "3 images known, 1 new, 1 changed, 1 gone" in said
    assert embedded == [sorted(NAMES), ["c.bmp", "sub/f.png"]]
    paths = [f"album/{name}" for name in (*NAMES[1:], "sub/f.png")]
    expected = brute_force(keras_reid.models.load_model(models / "plain.keras"), "query.png", paths)
    assert [image["path"] for image in found["images"]] == [path for path, _ in expected]
    # The folder may be renamed or moved with its index.
    (tmp_path / "album").rename(tmp_path / "moved")
    (tmp_path / "album").symlink_to("moved")
    assert "5 images known, 0 new" in search("query.png")[1]


def test_another_model_makes_the_index_anew_and_says_so(album, models, search, embedded):
    search("query.png")
    (found,), said = search("query.png", model="other.keras")
    assert "it was made with another model or another setting; all images are embedded again" in said
    assert len(embedded) == 2
    expected = brute_force(
        keras_reid.models.load_model(models / "other.keras"), "query.png", [f"album/{name}" for name in NAMES]
    )
    assert [image["path"] for image in found["images"]] == [path for path, _ in expected]
    # From then on that model is the one that is meant.
    _, said = search("query.png", model=None)
    assert f"model {models / 'other.keras'} (that of the index; --model names another)" in said
    assert "5 images known" in said


def test_calibrating_a_model_keeps_the_index(album, search, embedded):
    search("query.png")
    (found,), said = search("query.png", model="calibrated.keras")
    assert "5 images known" in said
    assert found["images"][0]["verdict"]
    assert len(embedded) == 1


def test_an_index_elsewhere_leaves_the_gallery_as_it_is(album, search, embedded):
    before = sorted(album.rglob("*"))
    for _ in range(2):
        search("query.png", "--index", "kept/index")
    assert sorted(album.rglob("*")) == before
    assert len(embedded) == 1
    search("query.png", "--index", "kept/other", model="other.keras")
    assert "5 images known" in search("query.png", "--index", "kept/index")[1]


def test_links_in_the_place_of_an_index_are_refused(album, search, embedded):
    """An album of somebody else: its lock as a link once emptied what it led to."""
    (album.parent / "victim").write_text("dear")
    index = album / ".keras_reid_index"
    index.mkdir()
    (index / "lock").symlink_to(album.parent / "victim")
    with pytest.raises(
        UserError, match=r"\.keras_reid_index/lock is a link, which is not followed here: remove it"
    ):
        search("query.png")
    assert (album.parent / "victim").read_text() == "dear"
    (index / "lock").unlink()
    index.rename(album.parent / "elsewhere")
    index.symlink_to(album.parent / "elsewhere")
    with pytest.raises(UserError, match=r"\.keras_reid_index is a link, .* name the folder that it leads to"):
        search("query.png")
    assert list((album.parent / "elsewhere").iterdir()) == []
    assert embedded == []
    search("query.png", "--index", "elsewhere")
    assert len(embedded) == 1


def test_an_index_that_cannot_be_written(album, search, monkeypatch):
    def refuse(store):
        raise OSError(30, "Read-only file system", "album")

    monkeypatch.setattr(store.EmbeddingStore, "__enter__", refuse)
    with pytest.raises(
        UserError, match=r"cannot be written: read-only file system\. Name another .* --index"
    ):
        search("query.png")


def test_a_broken_gallery_image_is_left_out_and_named(album, search, embedded):
    (album / "bad 1.jpg").write_bytes((album / "a b.jpg").read_bytes()[:300])
    (album / "sub" / "text.png").write_text("no image")
    (album / "gone.png").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"gone\.png: no such file"):
        search("query.png", "--strict")
    (album / "gone.png").unlink()
    with pytest.raises(
        UserError, match=r"2 of 7 images cannot be read: .*bad 1.jpg: truncated .*; repair or remove"
    ):
        search("query.png", "--strict")
    assert not embedded
    (album / "gone.png").symlink_to("nowhere")
    (found,), said = search("query.png", "--batch-size", "2")
    assert len(found["images"]) == 5
    assert "left out 3 of 8 images that cannot be read:" in said
    for name in ("bad 1.jpg: truncated", "sub/text.png: not a JPEG", "gone.png: no such file"):
        assert f"album/{name}" in said
    assert embedded[1] == sorted(NAMES)  # after the first attempt
    write(album / "bad 1.jpg", 5)  # repaired
    (album / "sub" / "text.png").unlink()
    (album / "gone.png").unlink()
    assert len(search("query.png")[0][0]["images"]) == 6


def test_no_image_can_be_read(album, search):
    shutil.rmtree(album)
    album.mkdir()
    (album / "text.png").write_text("no image")
    with pytest.raises(UserError, match=r"none of 1 image can be read: album/text\.png: not a JPEG"):
        search("query.png")


def test_interrupted_it_goes_on_from_there(album, search, embedded, monkeypatch, capsys):
    """As after a kill, but for the moment; that is tested with real kills below and in the store's own tests."""
    real = computing.embedding_batches

    def interrupted(*arguments):
        for number, rows in enumerate(real(*arguments)):
            if number == 1:
                raise KeyboardInterrupt
            yield rows

    with monkeypatch.context() as patch:
        patch.setattr(computing, "embedding_batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search("query.png", "--batch-size", "2")
    assert "2 embeddings are kept" in capsys.readouterr().err
    _, said = search("query.png")
    assert "2 images known, 3 new" in said
    assert embedded == [sorted(NAMES), sorted(NAMES)[2:]]


def test_gallery_images_are_known_by_their_content(album, search):
    (album / "a b.jpg").rename(album / "frame")
    with Image.open(album / "frame") as image:
        image.save(album / "scan", "TIFF")
    (found,), said = search("query.png")
    assert "album/frame" in {image["path"] for image in found["images"]}
    assert "left out 1 of 6 images that cannot be read:" in said
    assert "album/scan: TIFF is not supported" in said


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_list(album, models, search):
    for number in range(300):
        write(album / f"more {number}.png", 100 + number)
    arguments = [
        "query.png",
        "--gallery",
        "album",
        "--model",
        str(models / "plain.keras"),
        "--json",
        "--top",
        "400",
    ]
    code = "import sys; from keras_reid.embedding import store; store._SECONDS = 0; "
    code += "from keras_reid.search import main; main(sys.argv[1:] + ['--batch-size', '2'])"
    lines = album / ".keras_reid_index" / "images-1.jsonl"
    counts = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until = (counts[-1] if counts else 0) + 20
        while process.poll() is None and not (lines.exists() and lines.read_bytes().count(b"\n") > until):
            time.sleep(0.002)
        assert process.poll() is None, process.communicate()[1].decode()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        counts.append(lines.read_bytes().count(b"\n"))
    assert 0 < counts[0] < counts[1] < 305
    (found,), said = search("query.png", "--top", "400")
    assert re.search(rf"{counts[1]} images known, {305 - counts[1]} new", said)
    paths = [
        str(path.relative_to(album.parent)) for path in album.rglob("[!.]*.*") if path.suffix != ".jsonl"
    ]
    paths = [path for path in paths if ".keras_reid_index" not in path]
    expected = brute_force(keras_reid.models.load_model(models / "plain.keras"), "query.png", paths)
    np.testing.assert_allclose(
        [image["distance"] for image in found["images"]], [distance for _, distance in expected], atol=1e-6
    )
    assert {image["path"] for image in found["images"]} == set(paths)


def test_two_files_without_a_gallery(album, models, capsys):
    calibrated, plain = (["--model", str(models / f"{name}.keras")] for name in ("calibrated", "plain"))
    pair = ["album/c.bmp", "query.png"]
    main([*pair[:1] * 2, *calibrated])
    assert capsys.readouterr().out.startswith("same: probability 0.9820 at prior 0.5 (distance 0.0000")
    main([*pair[:1] * 2, *calibrated, "--prior", "0.01", "--json"])
    assert json.loads(capsys.readouterr().out)["verdict"] == "unsure"
    ((_, distance),) = brute_force(keras_reid.models.load_model(models / "plain.keras"), *pair[:1], pair[1:])
    main([*pair, *plain])
    printed = capsys.readouterr()
    assert printed.out == f"distance {distance:.4f}, cosine similarity {1 - distance:.4f}\n"
    assert "no verdict: the model is not calibrated" in printed.err
    main([*pair, *plain, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["distance"]) == (None, pytest.approx(distance, rel=1e-4))


def test_says_what_is_wrong(album, models, tmp_path):
    model = ["--model", str(models / "plain.keras")]
    (tmp_path / "bad.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    gallery = ["--gallery", "album"]
    for arguments, message in [
        (gallery, "name at least one image"),
        (["query.png"], "name a folder to search in with --gallery, or exactly two image files"),
        (["query.png", "album"], "exactly two image files to compare. Received: query.png album"),
        (["query.png"] * 3, "exactly two image files"),
        (["query.png", "query.png", "--output", "x"], "--output is for a search in a folder"),
        (["query.png", "query.png", "--strict"], "--strict is for a search in a folder"),
        (["query.png", "query.png", "--index", "x"], "--index is for a search in a folder"),
        (["no.png", *gallery], r"no\.png: there is no such file"),
        (["no.png", "query.png"], r"no\.png: there is no such file"),
        (["bad.jpg", *gallery, *model], r"bad\.jpg: not a JPEG.*image"),
        (["bad.jpg", "query.png", *model], r"bad\.jpg: not a JPEG.*a query must be"),
        (["query.png", "--gallery", "no"], "must be a folder of images. Received: no, which does not exist"),
        (["query.png", "--gallery", "query.png"], "Received: query.png, which is a file"),
        (["query.png", "--gallery", "empty", *model], "empty: the folder holds no image"),
        (["query.png", *gallery], "there is no finished run in runs/"),
        (["query.png", "query.png"], "there is no finished run in runs/"),
        (["query.png", *gallery, "--model", "no"], "there is no such run directory"),
        (["query.png", *gallery, *model, "--top", "0"], "--top must be at least 1. Received: 0"),
        (["query.png", *gallery, *model, "--batch-size", "0"], "--batch-size must be at least 1"),
        (["query.png", *gallery, *model, "--prior", "1"], "prior.*between 0 and 1"),
        (["query.png", *gallery, *model, "--output", "query.png"], "--output must be a folder"),
        (["query.png", *gallery, *model, "--index", "."], "holds files other than embeddings"),
        (["query.png", *gallery, *model, "--tops", "1"], "--tops"),
    ]:
        with pytest.raises(UserError, match=message):
            main(arguments)
    assert not (album / ".keras_reid_index").exists()


def test_help_and_mistakes_need_no_tensorflow(tmp_path):
    code = """
import sys
from keras_reid.utils.errors import UserError
from keras_reid.gallery import SearchHit, SearchResult
from keras_reid.search import _say_drift, main
try:
    main(sys.argv[1:])
except (SystemExit, UserError):
    pass
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    write(tmp_path / "q.png", 0)
    for arguments in (["--help"], ["q.png", "--gallery", "."], ["q.png", "q.png"]):
        subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, check=True, capture_output=True
        )


def test_drift_of_the_best_matches_is_said(capsys):
    calibration = line(best_matches=np.linspace(0.1, 0.2, 100).tolist())

    def lists(distance):
        return [SearchResult("q.jpg", "cosine", (SearchHit(1, "g.jpg", distance),), 0.5)] * 40

    _say_drift(lists(0.15), calibration)
    _say_drift(lists(0.9), line())
    assert capsys.readouterr().err == ""
    _say_drift(lists(0.9), calibration)
    assert "the best matches are farther away than in the calibration" in capsys.readouterr().err
    _say_drift(lists(0.01), calibration)
    assert "drift: by query 17, the best matches are nearer" in capsys.readouterr().err
