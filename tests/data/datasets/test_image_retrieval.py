"""The data sets of image retrieval: CUB-200-2011, Cars-196, Stanford Online Products, In-Shop."""

import pytest

from keras_reid.data import CUB200, Cars196, InShop, StanfordOnlineProducts
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


def labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


@pytest.mark.parametrize(
    ("reader", "make", "train", "test", "first"),
    [
        (
            CUB200(),
            miniatures.cub200,
            [1, 100],
            [101, 101, 200],
            "CUB_200_2011/images/101.Bird/Bird_0003.jpg",
        ),
        (Cars196(), miniatures.cars196, [1, 98], [99, 99, 196], "Cars_196/car_ims/000003.jpg"),
        (
            Cars196(),
            miniatures.cars196_in_two_folders,
            [14, 3],
            [99, 99],
            "stanford_cars/cars_train/00002.jpg",
        ),
        (
            StanfordOnlineProducts(),
            miniatures.sop,
            [1, 10],
            [11319, 11319, 11320],
            "Stanford_Online_Products/toaster_final/3_3.JPG",
        ),
    ],
)
def test_each_test_image_is_searched_for_among_the_others(tmp_path, reader, make, train, test, first):
    make(tmp_path)
    dataset = reader.read(tmp_path)
    assert dataset.protocol == "leave_one_out"
    assert labels(dataset.train) == [(identity, None) for identity in train]
    assert labels(dataset.query) == [(identity, None) for identity in test]
    assert dataset.query == dataset.gallery
    assert dataset.query[0].path == str(tmp_path / first)
    (folder,) = tmp_path.iterdir()
    assert reader.read(folder) == dataset  # the root may be the data set itself


def test_the_labels_of_cars_may_lie_in_the_devkit(tmp_path):
    miniatures.cars196_in_two_folders(tmp_path)
    dataset = Cars196().read(tmp_path)
    name = "cars_test_annos_withlabels.mat"
    folder = tmp_path / "stanford_cars"
    (folder / name).rename(folder / "devkit" / name)
    assert Cars196().read(tmp_path) == dataset


@pytest.mark.parametrize("nested", [False, True])
def test_in_shop_has_a_gallery_of_its_own(tmp_path, nested):
    miniatures.inshop(tmp_path)
    folder, images = tmp_path / "InShop", "InShop"
    if nested:
        for name in ("Eval", "Img"):
            (folder / name).mkdir()
        (folder / "list_eval_partition.txt").rename(folder / "Eval" / "list_eval_partition.txt")
        images = "InShop/Img"
    dataset = InShop().read(tmp_path)
    assert (dataset.name, dataset.protocol) == ("inshop", "all")
    assert labels(dataset.train) == [("id_00000002", None), ("id_00000010", None)]
    assert labels(dataset.query) == [("id_00000001", None)]
    assert labels(dataset.gallery) == [("id_00000001", None), ("id_00000003", None)]
    assert dataset.query[0].path == str(tmp_path / images / "img/MEN/Denim/id_00000001/01_1_front.jpg")
    assert InShop().read(folder) == dataset


@pytest.mark.parametrize(
    ("reader", "folder", "also"),
    [
        (CUB200(), "CUB_200_2011", "images"),
        (Cars196(), "Cars_196", "car_ims"),
        (StanfordOnlineProducts(), "Stanford_Online_Products", "bicycle_final"),
    ],
)
def test_the_lists_of_the_original(tmp_path, reader, folder, also):
    (tmp_path / folder / also).mkdir(parents=True)
    miniatures.write(tmp_path / folder / "train.txt", "images/a.jpg,3", "images/b.jpg,20")
    miniatures.write(tmp_path / folder / "test.txt", "images/c.jpg,101", "images/d.jpg,101")
    dataset = reader.read(tmp_path)
    assert dataset.protocol == "leave_one_out"
    assert dataset.train_labels()[2] == ["20", "3"]
    assert [sample.path for sample in dataset.query] == [
        str(tmp_path / folder / f"images/{name}.jpg") for name in "cd"
    ]
    miniatures.write(tmp_path / folder / "test.txt", "images/c.jpg,101", "images/d.jpg")
    with pytest.raises(
        UserError, match=r"test\.txt do not fit, the first is line 2, 'images/d\.jpg'; .* PATH,CLASS"
    ):
        reader.read(tmp_path)
    (tmp_path / folder / "test.txt").unlink()
    with pytest.raises(UserError, match=r"test\.txt does not exist"):
        reader.read(tmp_path)


def test_the_lists_of_the_original_for_in_shop(tmp_path):
    for part, line in (("train", "a.jpg,1"), ("test_query", "b.jpg,2"), ("test_gallery", "c.jpg,2")):
        miniatures.write(tmp_path / "InShop" / f"{part}.txt", line)
    dataset = InShop().read(tmp_path)
    assert [labels(part) for part in (dataset.train, dataset.query, dataset.gallery)] == [
        [("1", None)],
        [("2", None)],
        [("2", None)],
    ]


def test_cub_lists_that_do_not_fit_together(tmp_path):
    miniatures.cub200(tmp_path)
    lists = tmp_path / "CUB_200_2011"
    classes = (lists / "image_class_labels.txt").read_text()
    (lists / "image_class_labels.txt").write_text("6 101\n" + classes)
    with pytest.raises(UserError, match=r"images\.txt: 1 images are missing, the first is 6"):
        CUB200().read(tmp_path)
    (lists / "image_class_labels.txt").write_text(classes.replace("4 101\n", ""))
    with pytest.raises(UserError, match=r"image_class_labels\.txt: 1 images are missing, the first is 4"):
        CUB200().read(tmp_path)
    (lists / "image_class_labels.txt").write_text(classes + "x y\n")
    with pytest.raises(UserError, match=r"first is line 6, 'x y'; each must read NUMBER CLASS"):
        CUB200().read(tmp_path)


def test_lists_with_mistakes(tmp_path):
    miniatures.sop(tmp_path)
    miniatures.write(tmp_path / "Stanford_Online_Products/Ebay_test.txt", "image_id class_id", "1 2 a.JPG")
    with pytest.raises(UserError, match=r"Ebay_test\.txt do not fit, the first is line 2, '1 2 a\.JPG'"):
        StanfordOnlineProducts().read(tmp_path)
    miniatures.inshop(tmp_path)
    file = tmp_path / "InShop/list_eval_partition.txt"
    text = file.read_text()
    file.write_text(text.replace("query", "ask"))
    with pytest.raises(UserError, match=r"the first is line 5, .*PART is train, query, gallery"):
        InShop().read(tmp_path)
    file.write_text(text.replace("query", "gallery"))
    with pytest.raises(UserError, match=r"list_eval_partition\.txt has no line of the part 'query'"):
        InShop().read(tmp_path)


def test_annotations_of_cars_that_are_others(tmp_path):
    miniatures.cars196(tmp_path)
    file = tmp_path / "Cars_196/cars_annos.mat"
    file.write_bytes(miniatures.CARS_TRAIN)
    with pytest.raises(UserError, match="no structure `annotations` with the fields relative_im_path and"):
        Cars196().read(tmp_path)
    file.write_bytes(miniatures.NEW_PROTOCOL)
    with pytest.raises(UserError, match="no structure `annotations`"):
        Cars196().read(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"Cars_196 holds neither cars_annos\.mat, devkit nor train\.txt"):
        Cars196().read(tmp_path)
    miniatures.cars196_in_two_folders(tmp_path / "other")
    (tmp_path / "other/stanford_cars/cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(UserError, match=r"cars_test_annos_withlabels\.mat does not exist; Cars-196 is laid"):
        Cars196().read(tmp_path / "other")


def test_a_car_without_a_class_is_named(tmp_path, monkeypatch):
    miniatures.cars196(tmp_path)
    annotations = {"relative_im_path": ["a.jpg", "b.jpg"], "class": [miniatures.np.ones((1, 1)), ""]}
    monkeypatch.setattr(
        "keras_reid.data.datasets.cars196.read_matlab", lambda file: {"annotations": annotations}
    )
    with pytest.raises(
        UserError, match=r"annotation 2 must have a path and one class\. Received: 'b\.jpg', ''"
    ):
        Cars196().read(tmp_path)


@pytest.mark.parametrize("reader", [CUB200(), Cars196(), StanfordOnlineProducts(), InShop()])
def test_nothing_there(tmp_path, reader):
    with pytest.raises(UserError, match=r"is laid out as .*nothing is downloaded"):
        reader.read(tmp_path)
