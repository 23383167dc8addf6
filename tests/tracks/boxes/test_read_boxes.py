import json

import pytest

from keras_reid import UserError
from keras_reid.tracks.boxes import read_boxes

MOT = "1,4,10,20,30,60,0.5,-1,-1,-1\n3,4,11,20,30,60,-1,-1,-1,-1\n1,2,50,20,30,60,1,-1,-1,-1\n"


def read(tmp_path, text, name="boxes.txt", **options):
    file = tmp_path / name
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return read_boxes(file, **options)


def test_mot_counts_from_1(tmp_path):
    boxes = read(tmp_path, MOT)
    assert boxes.frame.tolist() == [0, 0, 2]
    assert boxes.track.tolist() == [2, 4, 4]
    assert boxes.xyxy.tolist() == [[50, 20, 80, 80], [10, 20, 40, 80], [11, 20, 41, 80]]
    assert boxes.score.tolist() == [1, 0.5, 1]  # -1: none
    assert read(tmp_path, MOT, first_frame=0).frame.tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    "text", ["1,4,10,20,30,60\n", "1 4 10 20 30 60 1\r\n\r\n", "\ufeff1, 4, 10, 20, 30, 60, 1\n"]
)
def test_mot_in_its_varieties(text, tmp_path):
    boxes = read(tmp_path, text)
    assert (boxes.frame.tolist(), boxes.track.tolist(), boxes.xyxy.tolist()) == ([0], [4], [[10, 20, 40, 80]])


def test_ground_truth_of_mot_has_flags(tmp_path):
    text = "1,4,10,20,30,60,1,1,0.8\n2,4,10,20,30,60,0,1,0.8\n2,5,10,20,30,60,1,7,0\n"
    boxes = read(tmp_path, text)  # 9 columns
    assert (boxes.frame.tolist(), boxes.track.tolist(), boxes.score.tolist()) == ([0, 1], [4, 5], [1, 1])
    assert len(read(tmp_path, MOT.replace("0.5", "0"), format="mot-gt")) == 2
    with pytest.raises(UserError, match="all 1 boxes are flagged to be ignored"):
        read(tmp_path, "1,4,10,20,30,60,0,1,1\n")
    with pytest.raises(UserError, match=r"ground truth has 7 to 10 columns. Received: 6"):
        read(tmp_path, "1,4,10,20,30,60\n", format="mot-gt")


def test_a_table_is_read_by_its_header(tmp_path):
    boxes = read(
        tmp_path, "ID,score,frame,note,x,y,w,h\n4,0.5,0,hello,10,20,30,60\n4,1,2,,11,20,30,60\n", "a.csv"
    )
    assert (boxes.frame.tolist(), boxes.score.tolist()) == ([0, 2], [0.5, 1])
    assert boxes.xyxy.tolist() == [[10, 20, 40, 80], [11, 20, 41, 80]]
    assert read(tmp_path, "frame,id,x,y,w,h\n1,4,10,20,30,60\n", first_frame=1).frame.tolist() == [0]


def test_a_table_without_its_header_is_not_taken_for_mot(tmp_path):
    with pytest.raises(UserError, match=r"line 1: a table must begin with a header.*'0,4,.*say --format mot"):
        read(tmp_path, "0,4,10,20,30,60\n", "a.csv")
    assert read(tmp_path, "1,4,10,20,30,60\n", "a.csv", format="mot").frame.tolist() == [0]


def coco(annotations=None, images=None, **more):
    one = {"image_id": 7, "bbox": [10, 20, 30, 60], "track_id": 4, "score": 0.5}
    other = {"image_id": 5, "bbox": [11, 20, 30, 60], "attributes": {"track_id": 4, "occluded": False}}
    return {
        "images": [{"id": 7}, {"id": 6}, {"id": 5}] if images is None else images,
        "annotations": [one, other] if annotations is None else annotations,
    } | more


def test_coco_counts_by_the_order_of_its_images(tmp_path):
    boxes = read(tmp_path, coco(), "a.json")
    assert (boxes.frame.tolist(), boxes.track.tolist(), boxes.score.tolist()) == ([0, 2], [4, 4], [0.5, 1])
    assert boxes.xyxy.tolist() == [[10, 20, 40, 80], [11, 20, 41, 80]]


def test_coco_counts_by_numbers_that_every_image_has(tmp_path):
    images = [{"id": 7, "frame_id": 30}, {"id": 5, "frame_id": 10}]
    assert read(tmp_path, coco(images=images)).frame.tolist() == [10, 30]
    assert read(tmp_path, coco(images=images), first_frame=10).frame.tolist() == [0, 20]
    with pytest.raises(
        UserError, match=r"its frames have no numbers, but an order: leave --first-frame away"
    ):
        read(tmp_path, coco(), first_frame=1)


ROW = "2,4,10,20,30,60\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "boxes.txt: the file is empty: it holds no boxes"),
        ("frame,id,x,y,w,h\n", "boxes.txt: holds no boxes"),
        (
            f"{ROW}3,4,10,20,x,60\n",
            "line 2: MOT Challenge files have 6 to 10 numbers.*Received: '3,4,10,20,x,60'",
        ),
        (f"{ROW}\n3,4,10,20\n", "line 3: MOT Challenge files have 6 to 10 numbers"),
        ("1,2,3\n", "line 1: MOT Challenge files have 6 to 10 numbers"),
        (
            f"{ROW}3,4,10,20,nan,60\n",
            "line 2: a box must have finite numbers.*--skip-bad.*Received: 10, 20, nan, 60",
        ),
        (f"{ROW}3,4,10,20,1e39,60\n", "line 2: a box must have finite numbers"),
        (f"{ROW}3,4,10,20,0,60\n", "line 2: .*width and height above 0.*Received: 10, 20, 0, 60"),
        (f"{ROW}3,4,10,20,30,-6\n", "line 2: .*width and height above 0"),
        (f"{ROW}0,4,10,20,30,60\n", "line 2: the frame must be at least 1: .*--first-frame says from where"),
        (f"{ROW}-1,4,10,20,30,60\n", "line 2: the frame must be a whole number"),
        (f"{ROW}2.5,4,10,20,30,60\n", "line 2: the frame must be a whole number, at least 0. Received: 2.5"),
        (f"{ROW}nan,4,10,20,30,60\n", "line 2: the frame must be a whole number"),
        (f"{ROW}3,-7,10,20,30,60\n", "line 2: the id must be a whole number, at least -1. Received: -7"),
        (f"{ROW}3,4.5,10,20,30,60\n", "line 2: the id must be a whole number"),
        ("2,4,10,20,30,60,87\n", "line 1: the score must be 0 to 1; leave it away.*Received: 87"),
        (
            f"{ROW}3,4,9,9,9,9\n{ROW}",
            "line 3: a track must be in a frame at most once.*track 4 in frame 2, as in line 1",
        ),
        ("1,-1,10,20,30,60\n", "holds no box of a track: these are detections, and a tracker makes tracks"),
        ("frame,id,x,y,w\n1,2,3,4,5\n", "must name the columns frame, id, x, y, w, h.*Missing: h"),
        ("frame;id;x;y;w;h\n1;2;3;4;5;6\n", "with commas between them. Missing: frame"),
        (
            "frame,id,x,y,w,h\n1,2,3,4,5,6\n1,2,3,4,5\n",
            "line 3: every column must be a number. Received: '1,2,3,4,5'",
        ),
        ("frame,id,x,y,w,h\n1,2,3,four,5,6\n", "line 2: every column must be a number"),
        ("[]", "COCO's JSON must be an object with the lists `images` and `annotations`"),
        ("{", "is damaged, because it is not valid JSON"),
        (coco(images=[{"id": 7}]), r"annotations\[1\]: must have an `image_id` of `images`"),
        (coco(images=[{"id": 7}, {"id": 7}]), "two of `images` have the same `id`"),
        (coco(images=[{"id": None}]), "each of `images` must have an `id`"),
        (
            coco(images=[{"id": 7, "video_id": 1}, {"id": 5, "video_id": 2}]),
            "must hold one video. Received: 2",
        ),
        (coco([{"image_id": 7, "bbox": [1, 2, 3], "track_id": 1}]), r"annotations\[0\]: .*a `bbox`"),
        (coco([{"image_id": 7, "bbox": [1, 2, 3, 4], "track_id": "a"}]), r"annotations\[0\]"),
        (coco([{"image_id": 7, "bbox": [1, 2, 3, 4]}]), "no annotation has a track.*These are detections"),
        (coco([{"image_id": 7, "bbox": [1, 2, 0, 4], "track_id": 1}]), r"annotations\[0\]: a box must have"),
        (coco([]), "holds no boxes"),
    ],
)
def test_errors_name_the_line(text, said, tmp_path):
    with pytest.raises(UserError, match=said) as refused:
        read(tmp_path, text)
    assert str(tmp_path / "boxes.txt") in str(refused.value)


def test_bad_boxes_are_left_out_if_asked(tmp_path):
    text = f"{ROW}3,4,10,20,nan,60\n4,4,10,20,0,60\n5,4,10,20,30,60\n"
    with pytest.warns(
        UserWarning, match="2 boxes without area or not finite are left out, the first in line 2"
    ):
        boxes = read(tmp_path, text, skip_bad=True)
    assert boxes.frame.tolist() == [1, 4]


def test_boxes_of_no_track_are_left_out(tmp_path):
    with pytest.warns(UserWarning, match=r"1 boxes of no track \(id −1\) are left out, the first in line 2"):
        assert len(read(tmp_path, f"{ROW}3,-1,10,20,0,60\n")) == 1


def test_other_names_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"must be one of mot, mot-gt, coco, csv. Received: 'yolo'"):
        read(tmp_path, ROW, format="yolo")
    with pytest.raises(UserError, match=r"is a folder. Name the file with the boxes"):
        read_boxes(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_boxes(tmp_path / "missing.txt")
    (tmp_path / "a.txt").write_bytes(b"\0\0\0 ftypisom")
    with pytest.raises(
        UserError, match=r"a.txt: is no text. Boxes come as MOT Challenge text, COCO JSON or CSV"
    ):
        read_boxes(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"1,2,\xff\xfe\n")
    with pytest.raises(UserError, match=r"is not text|is not a CSV file"):
        read_boxes(tmp_path / "a.txt")
