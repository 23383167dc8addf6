"""Every data set in its real layout, a few empty files each: reading a set decodes no image."""

import base64
import json

import h5py
import numpy as np

# A configuration of CUHK03's new protocol, written by SciPy 1.17: 12 persons of pair 1 and 3 of pair 2, one image in
# each view, with the labels 1 + (4 · i mod 15); persons 2 and 7 of pair 1 and 3 of pair 2 are tested on.
NEW_PROTOCOL = base64.b64decode("""
TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFN1biBOb3YgMjIgMTQ6MjA6NDYgMjAyNgAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAtQAAAHicrdVBCsIwEIXhKai4
Cp7AI0hm2qbtzptkpVIoIuiBPKojDShd6p9F0wnJ8K3mBRF5bkU2vvsmlcxrXep9OatKfR6n0zTeH8H/j/J5t1q8e98PX/12pdYc
o2b/6uF2vcxnv/exHNP/fQzyGOSpIU8NeRrI00CeFvK0kCdBngR5OsjTQZ4e8vSQZ4A8A+PRyHi8D+OB5rNC81mh+azEfDYovwzK
L4Pyy6D8Mii/bJFfL7afi+0PAAAATgAAAHicLcrLDYAgEEXRhwKiKHZgJTajiTt2bizfy2dObjKQSZI+8hQoqo3r74NMr9zk637y
K1n2s/4bbp1mbBjgsSBhxISIHRYBK8r8THAEdg8AAABcAAAAeJzjY2BgKABiNiDmAGJuBghghfIlgJgRijmBuKQoMTMvPjOlAqqO
BYgNwPJMQD1sDOxAXZwMXEBzeBj4GQQYBBmEGIQZRBhEGcQYxIGmSTJIMUgzyDAAAHjDBjIPAAAANgAAAHic42NgYPAAYjYg5gBi
bgYIYIXymYGYEYo5gbiwNLWoMj4zpQKqjgWql5mBl0EWSAMAktwEnA8AAAA3AAAAeJzjY2Bg8ABiNiDmAGJuBghghfIZgZgZSoPk
0hNzclKLKuMzUyrA6ligelkY+BjkgDQAon4FWw8AAAAuAAAAeJzjY2BgiABiNiDmAGJOBghghfLlgJgRikFiyYm5nilAmgkmhxcw
MAAAlc8CzA==
""")
# Written by SciPy 1.17: structures `annotations` of (path, class); a box and a division into parts are there, too.
# car_ims/000001.jpg … 000005.jpg of the classes 1, 98, 99, 99, 196; then of the other layout 00001.jpg and 00002.jpg of
# the classes 14 and 99, and of 99 and 3.
CARS_ANNOS, CARS_TRAIN, CARS_TEST = map(
    base64.b64decode,
    (
        """
TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IE1vbiBOb3YgMjMgMDI6NTU6MzcgMjAyNgAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAuAAAAHic42NgYMhgZWBgA9IcQMzEAAGsUD4jlA2iuYE4MS8vvySxJDM/
rxiqjoVBECrvAsRFqTlA2bLU+Mzc+ILEkgyGpKT8ivgKQwY4SM5JLC5mQAIlqcUlDOiAD4g9GBDuYsHiLiEoDQICUH5yYhHQ6mJ9AxAw1MsqSEeYZ4Bk
HjcW8xiRzGMBhgQzFn2cBPQxAVmMZOqjmr+NBsbfSQPtb+OB8XfyQPvbZIT623Rg/H2EAn8DAMItOn0=
""",
        """
TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IE1vbiBOb3YgMjMgMDI6NTU6MzcgMjAyNgAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAjwAAAHic42NgYPBgYmBgA9IcQAxkggErlM8IFQPR3ECcmJeXX5JYkpmf
VwxVxwJXpwDEaXmJualAOikpvyK+wpAhOSexGKSyJLW4BKSeD4gdGBD2sWCxjxNKg4AAlG8ABIZ6WQXpUHGQOQZI5nBjMYcRyRwWoC+YsejjJKCPCcji
I1Mfpf41GiD/JlPgXwCBgxbJ
""",
        """
TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IE1vbiBOb3YgMjMgMDI6NTU6MzcgMjAyNgAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAjwAAAHic42NgYPBgYmBgA9IcQAxkggErlM8IFQPR3ECcmJeXX5JYkpmf
VwxVxwJXpwDEaXmJualAOikpvyK+wpAhOSexGKSyJLW4BKSeD4gdGBD2sWCxjxNKg4AAlG8ABIZ6WQXpUHGQOQZI5nBjMYcRyRwWoC+YsejjJKCPCchK
JlMfpf41GiD/kqsPBADOnxa+
""",
    ),
)
CUHK03_PERSONS = {1: 12, 2: 3}
CUHK03_TESTS = [[[1, 2], [1, 7], [2, 3]], [[1, 1], [2, 1]]]


def touch(folder, *names):
    """Empty files; returns the folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def write(file, *lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def market1501(root):
    # As distributed: sequences, frames and boxes in the name, a helper file, capitals, junk and background.
    touch(
        root / "Market-1501-v15.09.15",
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0010_c6s4_000100_01.JPG",
        "bounding_box_train/0010_c1s1_000001_01.jpg",
        "bounding_box_train/Thumbs.db",
        "query/0001_c1s1_001051_00.jpg",
        "query/1501_c6s3_1_00.jpg",
        "bounding_box_test/-1_c1s1_000401_03.jpg",
        "bounding_box_test/0000_c3s1_2_05.jpg",
        "bounding_box_test/0001_c2s1_3_00.jpg",
        "bounding_box_test/1501_c1s1_4_00.jpg",
        "images/0000_c1s1_9_00.jpg",
        "images/-1_c1s1_9_01.jpg",
    )


def dukemtmc(root):
    touch(
        root / "DukeMTMC-reID",
        "bounding_box_train/0001_c2_f0046182.jpg",
        "bounding_box_train/0900_c1_f0000001.jpg",
        "bounding_box_train/7139_c8_f0000001.jpg",
        "query/0005_c2_f0046985.jpg",
        "bounding_box_test/0002_c1_f0044158.jpg",
        "bounding_box_test/0005_c5_f0051781.jpg",
    )


def occluded_duke(root):
    dukemtmc(root)
    (root / "DukeMTMC-reID").rename(root / "Occluded_Duke")


def veri(root):
    touch(
        root / "veri",
        "image_train/0001_c001_00016450_0.jpg",
        "image_train/0010_c020_00016450_0.jpg",
        "image_train/0009_c020_00016460_0.jpg",
        "image_query/0002_c002_00030600_0.jpg",
        "image_test/0002_c003_00084280_0.jpg",
        "image_test/0776_c003_00084280_0.jpg",
    )


def msmt17(root, version="V1"):
    folder = root / f"MSMT17_{version}"
    train, test = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}[version]
    for part in (train, test):
        (folder / part).mkdir(parents=True)

    def line(identity, camera):
        return f"{identity:04d}/{identity:04d}_000_{camera:02d}_0303morning_0008_0.jpg {identity}"

    write(folder / "list_train.txt", line(0, 1), line(2, 14), line(10, 15))
    write(folder / "list_val.txt", line(10, 2))
    write(folder / "list_query.txt", line(0, 1), line(7, 4))
    write(folder / "list_gallery.txt", line(0, 3), line(7, 15))


def cuhk03(root):
    """As distributed: cuhk-03.mat in MATLAB's HDF5 layout, and the configurations of the new protocol."""
    folder = root / "cuhk03"
    (folder / "cuhk03_release").mkdir(parents=True)
    for boxes in ("labeled", "detected"):
        (folder / f"cuhk03_new_protocol_config_{boxes}.mat").write_bytes(NEW_PROTOCOL)
    with h5py.File(folder / "cuhk03_release" / "cuhk-03.mat", "w") as file:
        cells = file.create_group("#refs#")

        def reference(array):
            return cells.create_dataset(f"cell{len(cells)}", data=array.T).ref

        def cell(rows):
            return np.array(rows, dtype=h5py.ref_dtype)

        empty = np.zeros(2, np.uint64)  # how MATLAB writes a cell without content
        for boxes in ("labeled", "detected"):
            pairs = []
            for pair, count in CUHK03_PERSONS.items():
                persons = []
                for person in range(1, count + 1):
                    images = [empty] * 10
                    images[0] = cuhk03_pixels(boxes, pair, person, 1)
                    images[5] = cuhk03_pixels(boxes, pair, person, 6)
                    persons.append([reference(image) for image in images])
                pairs.append(reference(cell(persons)))
            file[boxes] = cell([pairs])
        tests = [reference(np.array(persons, float)) for persons in CUHK03_TESTS]
        file["testsets"] = cell([tests])


def cuhk03_pixels(boxes, pair, person, number):
    """Colour image of 3 × 2 pixels, another for each image."""
    first = 40 * (boxes == "labeled") + 100 * (pair - 1) + 5 * person + number
    return np.arange(first, first + 18, dtype=np.uint8).reshape(3, 2, 3)


def vehicleid(root):
    folder = root / "vehicleid"
    lists = folder / "train_test_split"
    (folder / "image").mkdir(parents=True)
    write(lists / "train_list.txt", "0000003 10", "0000001 2", "0000002 2")
    for count in (800, 1600, 2400, 13164):
        lines = [f"{count}{vehicle}{image:02d} {vehicle}" for vehicle in (7, 30, 31) for image in range(8)]
        write(lists / f"test_list_{count}.txt", *lines, f"{count}999 99")


def veriwild(root):
    folder = root / "VERI-Wild"
    lists = folder / "train_test_split"
    (folder / "images").mkdir(parents=True)
    write(
        lists / "vehicle_info.txt",
        "id/image;Camera ID;Time;Model;Type;Color",
        "00002/000001;116;2018-03-11 08:12:41;奥迪/A4;sedan;white",
        "00010/000002;3;2018-03-11 08:12:41;x;SUV;black",
        "00300/000003;3;2018-03-11 08:12:41;x;SUV;black",
        "00300/000004;16;2018-03-11 08:12:41;x;SUV;black",
    )
    write(lists / "train_list.txt", "00002/000001", "00010/000002")
    for count in (3000, 5000, 10000):
        write(lists / f"test_{count}_query.txt", "00300/000003.jpg")
        write(lists / f"test_{count}.txt", "00300/000004")


def partialreid(root):
    folder = root / "Partial_REID"
    touch(folder, "partial_body_images/001_1.jpg", "partial_body_images/012_1.jpg")
    touch(folder, "whole_body_images/001_2.jpg", "whole_body_images/012_1.jpg")


def partialilids(root):
    touch(root / "PartialiLIDS", "query/001_0.jpg", "gallery/001_1.jpg", "gallery/100_1.jpg")


def occludedreid(root):
    touch(
        root / "OccludedREID", "query/001_0.jpg", "query/200_0.jpg", "gallery/001_1.jpg", "gallery/200_1.jpg"
    )


def cub200(root):
    folder = root / "CUB_200_2011"
    (folder / "images").mkdir(parents=True)
    classes = {1: 1, 2: 100, 3: 101, 4: 101, 5: 200}
    lines = [f"{number} {label:03d}.Bird/Bird_{number:04d}.jpg" for number, label in classes.items()]
    write(folder / "images.txt", *lines)
    write(folder / "image_class_labels.txt", *(f"{number} {label}" for number, label in classes.items()))


def cars196(root):
    folder = root / "Cars_196"
    (folder / "car_ims").mkdir(parents=True)
    (folder / "cars_annos.mat").write_bytes(CARS_ANNOS)


def cars196_in_two_folders(root):
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    (folder / "devkit" / "cars_train_annos.mat").write_bytes(CARS_TRAIN)
    (folder / "cars_test_annos_withlabels.mat").write_bytes(CARS_TEST)


def sop(root):
    folder = root / "Stanford_Online_Products"
    header = "image_id class_id super_class_id path"
    write(folder / "Ebay_train.txt", header, "1 1 1 bicycle_final/1_0.JPG", "2 10 1 bicycle_final/2_0.JPG")
    test = [f"{number} 11319 12 toaster_final/3_{number}.JPG" for number in (3, 4)]
    write(folder / "Ebay_test.txt", header, *test, "5 11320 12 toaster_final/4_0.JPG")


def inshop(root):
    write(
        root / "InShop" / "list_eval_partition.txt",
        "5",
        "image_name item_id evaluation_status",
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg     id_00000002 train     ",
        "img/WOMEN/Dresses/id_00000010/02_1_front.jpg     id_00000010 train     ",
        "img/MEN/Denim/id_00000001/01_1_front.jpg         id_00000001 query     ",
        "img/MEN/Denim/id_00000001/01_2_side.jpg          id_00000001 gallery   ",
        "img/MEN/Denim/id_00000003/01_2_side.jpg          id_00000003 gallery   ",
    )


# By the names in BENCHMARKS; the variants share a miniature.
BENCHMARK_MINIATURES = {
    "market1501": market1501,
    "dukemtmc": dukemtmc,
    "msmt17": msmt17,
    "occluded_duke": occluded_duke,
    "occludedreid": occludedreid,
    "partialreid": partialreid,
    "partialilids": partialilids,
    "veri": veri,
    "vehicleid": vehicleid,
    "veriwild": veriwild,
    "cub200": cub200,
    "cars196": cars196,
    "sop": sop,
    "inshop": inshop,
}

# The files of a train-only set below its root, and what they must be read as: (identity, camera), in this order.
TRAIN_ONLY = {
    "caviara": (
        ["CAVIARa/0001001.jpg", "CAVIARa/0001002.jpg", "CAVIARa/0010001.jpg"],
        [("0001", "cam0"), ("0001", "cam0"), ("0010", "cam0")],
    ),
    "cuhksysu": (
        [f"cuhk_sysu/cropped_images/p{p}_s{s}_1.jpg" for p, s in ((2, 15480), (10, 1), ("0003", 2))],
        [("3", "0"), ("10", "0"), ("2", "0")],
    ),
    "grid": (
        ["underground_reid/images/0001_1_25004_107_32.jpeg", "underground_reid/images/0250_6_1_1_1.jpeg"],
        [("0001", "1"), ("0250", "6")],
    ),
    "ilids": (["iLIDS/001/cam1_2.png", "iLIDS/010/cam2_2.png"], [("001", "cam1"), ("010", "cam2")]),
    "lpw": (
        [f"pep_256x128/data_slim/{path}/001.jpg" for path in ("scen1/view1/3", "scen2/view2/3", "scen3/view1/3")],
        [("scen1-3", "view1"), ("scen2-3", "view2"), ("scen3-3", "view1")],
    ),
    "pes3d": (["3DPeS/2/2_1.bmp", "3DPeS/10/10_1.bmp"], [("10", "cam0"), ("2", "cam0")]),
    "pku": (
        ["PKUv1a_128x48/001_1_01.png", "PKUv1a_128x48/114_2_10.png"],
        [("001", "1"), ("114", "2")],
    ),
    "prai": (
        ["PRAI-1581/images/00000000_0001_00000000.jpg", "PRAI-1581/images/00001580_0002_00000000.jpg"],
        [("00000000", "0001"), ("00001580", "0002")],
    ),
    "prid": (
        ["prid_2011/slim_train/person_0001/a_0001.png", "prid_2011/slim_train/x/person_0020/b_0001.png"],
        [("0001", "a"), ("0020", "b")],
    ),
    "saivt": (
        ["SAIVT-SoftBio/cropped_images/003/003-0001-3-1.jpeg", "SAIVT-SoftBio/cropped_images/150/150-1-8-1.jpeg"],
        [("003", "3"), ("150", "8")],
    ),
    "senseid": (
        ["SenseReID/test_prob/00001_0.jpg", "SenseReID/test_gallery/00001_1.jpg"],
        [("00001", "1"), ("00001", "0")],
    ),
    "shinpuhkan": (
        ["shinpuhkan/001_01_03_0001.jpg", "shinpuhkan/a/b/024_01_16_0001.jpg"],
        [("001", "03"), ("024", "16")],
    ),
    "sysumm01": (
        [f"SYSU-MM01/cam{camera}/0010/0001.jpg" for camera in range(1, 7)],
        [("0010", "cam1"), ("0010", "cam2"), ("0010", "cam4"), ("0010", "cam5")],
    ),
    "thermalworld": (
        ["thermalworld_rgb/1/a.jpg", "thermalworld_rgb/10/a.jpg"],
        [("1", "cam0"), ("10", "cam0")],
    ),
    "viper": (
        ["VIPeR/cam_a/000_45.bmp", "VIPeR/cam_b/000_90.bmp"],
        [("000", "cam_a"), ("000", "cam_b")],
    ),
    "wildtrack": (
        ["Wildtrack_crop_dataset/crop/0/1_00000000.png", "Wildtrack_crop_dataset/crop/312/7_00000005.png"],
        [("0", "1"), ("312", "7")],
    ),
}  # fmt: skip


def airport(root):
    """AirportALERT, whose images are listed with backslashes; (identity, camera) as they must be read."""
    paths = ["cam1\\11001\\1.jpg", "cam2\\11001\\2.jpg", "cam1\\9000\\1.jpg", "cam1\\100020\\1.jpg"]
    write(root / "AirportALERT" / "filepath.txt", *paths)
    return [("100020", "cam1"), ("11001", "cam1"), ("11001", "cam2")]


def cuhk03_extracted(root):
    """As other toolboxes leave it behind: the JSON files hold the paths of another machine."""
    folder = root / "cuhk03"
    names = [f"1_{person:03d}_{view}_01.png" for person in range(1, 15) for view in (1, 2)]
    for boxes in ("labeled", "detected"):
        touch(folder / f"images_{boxes}", *names)
        items = [
            [f"/home/other/images_{boxes}/{name}", place // 2, place % 2] for place, name in enumerate(names)
        ]
        test = [[path, identity - 12, camera] for path, identity, camera in items[24:]]
        split = {"train": items[:24], "query": test, "gallery": test, "num_train_pids": 12}
        for kind, count in (("new", 1), ("classic", 20)):
            (folder / f"splits_{kind}_{boxes}.json").write_text(json.dumps([split] * count))
