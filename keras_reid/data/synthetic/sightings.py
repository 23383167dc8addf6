"""Invented names, cameras and times for the images of a synthetic gallery, as a table that a gallery enrols."""

from __future__ import annotations

import csv
import datetime
import os
import pathlib

import numpy as np

from keras_reid.data.synthetic.drawn_set import file_name
from keras_reid.data.synthetic.presets import Preset

TABLE = "gallery.csv"
CAMERAS = ("North gate", "Entrance", "Yard", "Car park", "Bridge", "South gate")

_FIRST_DAY = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
_DAYS = 14
# As many given names as surnames, none of a sex: two numbers that share one differ in the other.
_LATIN = (
    "Alex Andrea Ariel Ashley Charlie Dominique Eli Ezra Jules Kai Kim Luca Maxime Mika Noa Noor Quinn Remy Robin Sam "
    "Sascha Sidney Toni Yuki",
    "Ahmadi Bauer Berg Costa Çelik Diaz Fischer Haas Ito Jensen Kaya Keller Kowalski Lindqvist Mensah Müller Nguyễn "
    "Novák Okafor Rossi Silva Vogel Weiß Żak",
)
_CHINESE = ("王 李 张 刘 陈 杨 赵 黄 周 吴", "明 宁 晓 宇 文 安 清 云 星 悦")
_ARABIC = (
    "نور صباح أمل إحسان رضا نضال جهاد شمس وسام كفاح",
    "حداد خوري منصور نجار سعيد حسن عمر درويش قاسم زيدان",
)


def name_of(kind: str, number: int) -> str:
    """The name of an identity; a vehicle's is a number plate. They are made up, and differ up to 500.

    Args:
        kind: "person" or "vehicle".
        number: of the identity, from 0.

    Example:
        >>> name_of("person", 0), name_of("person", 3), name_of("vehicle", 0)
        ('Alex Ahmadi', '王明', 'KR 1000')
    """
    if kind == "vehicle":
        return f"KR {1000 + 7919 * number % 9000}"
    if number % 8 == 3:
        return "".join(_pair(_CHINESE, number // 8))
    return " ".join(_pair(_ARABIC, number // 8) if number % 8 == 6 else _pair(_LATIN, number))


def sightings(
    kind: str, preset: Preset, seed: int
) -> list[tuple[int, int, int, str, str, datetime.datetime]]:
    """Who was where, and when: on as many days in a row as it has images at a camera, each identity passes all of them.

    Args:
        kind: "person" or "vehicle".
        preset: a `Preset`.
        seed: integer.

    Returns:
        `(identity, camera, shot, name, name of the camera, time)` for each image of the gallery, by identity and time.
        Times are UTC, in two weeks of March 2026.

    Example:
        >>> len(sightings("person", PRESETS["small"], seed=0))
        1200
    """
    rows = []
    for number, identity in enumerate(preset.identities("gallery")):
        rng = np.random.default_rng([seed, identity])
        shots = preset.images("gallery")
        first = int(rng.integers(_DAYS - shots))
        for shot in range(shots):
            minutes = 60 * 7 + int(rng.integers(60 * 6))
            for camera in rng.permutation(preset.cameras) + 1:
                time = _FIRST_DAY + datetime.timedelta(days=first + shot, minutes=minutes)
                where = CAMERAS[camera - 1] if camera <= len(CAMERAS) else f"Camera {camera}"
                rows.append((identity, int(camera), shot, name_of(kind, number), where, time))
                minutes += int(rng.integers(2, 60))
    return rows


def write_table(folder: str | os.PathLike[str], kind: str, preset: Preset, seed: int) -> pathlib.Path:
    """Writes `gallery.csv` beside the parts of a data set, for `keras-reid gallery enrol --csv`.

    Args:
        folder: with the part `gallery`.
        kind, preset, seed: as in `sightings`.

    Returns:
        the file.
    """
    file = pathlib.Path(folder) / TABLE
    with open(file, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("path", "identity", "camera", "time"))
        for identity, camera, shot, name, where, time in sightings(kind, preset, seed):
            table.writerow((f"gallery/{file_name(identity, camera, shot)}", name, where, time.isoformat()))
    return file


def _pair(names, number):
    some, others = (one.split() for one in names)
    count = len(some)
    return some[number % count], others[(number + number // count) % count]
