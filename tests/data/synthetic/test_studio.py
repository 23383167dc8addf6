"""Images: what they depend on, and that they can be seen."""

import numpy as np
import pytest

from keras_reid.data.synthetic.body import Bone, build_body, rotation, skin, template, walking_pose
from keras_reid.data.synthetic.camera import PERSON_NUISANCE, Camera, Nuisance
from keras_reid.data.synthetic.finish import draw_finish
from keras_reid.data.synthetic.identity_sheet import contact_sheet
from keras_reid.data.synthetic.outfit import draw_outfit
from keras_reid.data.synthetic.person import Person
from keras_reid.data.synthetic.streams import stream
from keras_reid.data.synthetic.studio import Studio
from keras_reid.data.synthetic.vehicle import Vehicle
from keras_reid.data.synthetic.vehicle_styles import STYLES

SIZES = {"person": (64, 32), "vehicle": (48, 48)}


def pixels(studio, *moment, size=None):
    return np.asarray(studio.take(*moment, size or SIZES[studio.kind]), float)


def test_streams_depend_on_every_key():
    keys = [(0, "a", 1), (0, "a", 1, 0), (0, "a", 10), (1, "a", 1), (0, "b", 1), (0, "a", "1")]
    assert len({stream(*key).integers(2**62) for key in keys}) == len(keys)
    assert stream(0, "a", 1).integers(2**62) == stream(0, "a", 1).integers(2**62)


@pytest.mark.parametrize("kind", SIZES)
def test_an_image_does_not_depend_on_what_was_drawn_before(kind):
    moments = [("train", identity, camera, 0) for identity in (1, 2) for camera in (1, 2)]
    first = Studio(kind, seed=0)
    forwards = [pixels(first, *moment) for moment in moments]
    second = Studio(kind, seed=0)
    backwards = [pixels(second, *moment) for moment in moments[::-1]][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", SIZES)
def test_every_key_changes_the_image(kind):
    studio = Studio(kind, seed=0)
    reference = pixels(studio, "gallery", 1, 1, 0)
    for moment in (("query", 1, 1, 0), ("gallery", 2, 1, 0), ("gallery", 1, 2, 0), ("gallery", 1, 1, 1)):
        assert np.abs(pixels(studio, *moment) - reference).mean() > 2, moment
    assert np.abs(pixels(Studio(kind, seed=1), "gallery", 1, 1, 0) - reference).mean() > 2


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("size", [(64, 32), (48, 80), (128, 64)])
def test_size(kind, size):
    image = Studio(kind, seed=0).take("train", 1, 1, 0, size)
    assert (image.height, image.width, image.mode) == (*size, "RGB")


@pytest.mark.parametrize("kind", SIZES)
def test_every_image_is_legible(kind):
    studio = Studio(kind, seed=3)
    for identity in range(1, 25):
        for camera in range(1, 7):
            image = pixels(studio, "train", identity, camera, 0)
            name = f"identity {identity}, camera {camera}"
            assert 55 < image.mean() < 190, name
            assert image.mean(-1).std() > 8, name
            assert (image < 25).all(-1).mean() < 0.5, name  # not mostly black
            assert (image > 250).all(-1).mean() < 0.4, name  # not mostly burnt out


def test_nothing_but_the_subject_depends_on_the_identity():
    # Two identities who draw the same outfit are the same to the pixel, whatever their numbers.
    camera = Camera(stream("camera"), PERSON_NUISANCE)
    twins = [Person(stream("same")) for _ in range(2)]
    one, other = (camera.take(twin, stream("moment"), (64, 32)) for twin in twins)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    # And nothing of a moment is repeated: beside the subject, two images of an identity are no more alike than
    # those of two identities.
    studio = Studio("person", seed=0)
    corner = {
        (identity, shot): pixels(studio, "train", identity, 1, shot)[:16, :6]
        for identity in range(1, 21)
        for shot in (0, 1)
    }
    same = np.mean([np.abs(corner[i, 0] - corner[i, 1]).mean() for i in range(1, 21)])
    different = np.mean(
        [np.abs(corner[i, 0] - corner[j, 1]).mean() for i in range(1, 21) for j in range(1, 21) if i != j]
    )
    assert abs(same - different) < 0.35 * different


@pytest.mark.parametrize(("build", "draw"), [(Person, draw_outfit), (Vehicle, draw_finish)])
def test_an_identity_has_one_appearance(build, draw):
    first, second = draw(stream(1)), draw(stream(1))
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(second, name)), name
    subject = build(stream(1))
    drawn = subject.outfit if build is Person else subject.finish
    assert np.array_equal(list(vars(drawn).values())[-1], list(vars(first).values())[-1])


def test_every_style_of_vehicle_and_every_garment_occurs():
    finishes = [draw_finish(stream(i)) for i in range(300)]
    assert {finish.style for finish in finishes} == set(STYLES)
    outfits = [draw_outfit(stream(i)) for i in range(300)]
    assert {outfit.top for outfit in outfits} == {"tee", "shirt", "jacket", "coat", "dress"}
    assert {outfit.bottom for outfit in outfits} == {"trousers", "shorts", "skirt", "none"}
    assert {outfit.bag for outfit in outfits} == {"none", "backpack", "shoulder", "hand"}
    assert all(np.linalg.norm(outfit.top_colour - outfit.skin) > 0.25 for outfit in outfits)


def test_clothes_take_their_colours():
    studio = Studio("person", seed=0)
    person = studio._subject(1)
    face = np.zeros(1, int)
    below = person.albedo(np.array([0.1, -0.1, 0.05, 0, 0, 0, 1, 0], "float32")[:, None], face)
    np.testing.assert_array_equal(below[0], person.outfit.bottom_colour)
    foot = person.albedo(np.array([0.1, -0.75, 0.05, 0, 0, 0, 0, 1], "float32")[:, None], face)
    np.testing.assert_array_equal(foot[0], person.outfit.shoes)


def test_nuisances_change_the_picture():
    person = Person(stream(1))
    calm = Nuisance(badly_cut=0.0, occluded=0.0)

    def take(**changes):
        nuisance = Nuisance(**{**vars(calm), **changes})
        return np.asarray(Camera(stream(2), nuisance).take(person, stream(3), (64, 32)), float)

    reference = take()
    changes = {
        "elevation": (0.8, 0.9), "yaw": (2.0, 2.1), "ambient": (0.3, 0.4), "sun": (0.0, 0.1), "warmth": 0.3,
        "tint": 0.3, "gain": (0.5, 0.6), "gamma": (2.0, 2.1), "saturation": (0.0, 0.1), "haze": (0.5, 0.6),
        "blur": (3.0, 4.0), "noise": (0.1, 0.2), "yaw_spread": 3.0, "behind": 1.0, "exposure": (0.5, 0.6),
        "margin": (2.0, 2.1), "shift": 0.2, "badly_cut": 1.0, "occluded": 1.0,
    }  # fmt: skip
    for name, value in changes.items():
        assert np.abs(take(**{name: value}) - reference).mean() > 1, name
    assert {*changes, "jpeg_quality"} == set(vars(calm))
    assert Camera(stream(2), Nuisance(jpeg_quality=(30, 31))).jpeg_quality == 30


def test_bodies_differ_by_sex_and_build():
    thin, stout = build_body(False, -1.0)[0], build_body(False, 1.0)[0]
    assert np.ptp(stout[:, 2]) > np.ptp(thin[:, 2])
    assert np.abs(build_body(True, 0.0)[0] - build_body(False, 0.0)[0]).max() > 0.02


def test_a_pose_of_no_rotation_leaves_the_body_as_it_is():
    data = template()
    vertices, joints = build_body(True, 0.3)
    still = np.tile(np.eye(3, dtype="float32"), (len(Bone), 1, 1))
    posed, _ = skin(vertices, vertices, data.weights, joints, still)
    np.testing.assert_allclose(posed, vertices, atol=1e-5)
    still[Bone.HIPS] = rotation("y", np.pi / 2)  # the first bone turns everything
    turned, _ = skin(vertices, vertices, data.weights, np.zeros_like(joints), still)
    np.testing.assert_allclose(turned[:, 0], vertices[:, 2], atol=1e-5)


def test_a_walker_keeps_the_lengths_of_the_bones():
    _, joints = build_body(False, 0.0)
    marks = np.eye(len(Bone), dtype="float32")  # each joint bound to its own bone
    posed, _ = skin(joints, joints, marks, joints, walking_pose(stream(4)))
    for bone, parent in enumerate(template().parents):
        if parent >= 0:
            before = np.linalg.norm(joints[bone] - joints[parent])
            assert np.linalg.norm(posed[bone] - posed[parent]) == pytest.approx(before, abs=1e-4)
    assert np.abs(posed - joints).max() > 0.05


@pytest.mark.parametrize("kind", SIZES)
def test_contact_sheet(kind):
    sheet = contact_sheet(kind, "tiny", identities=2)
    height, width = SIZES[kind]
    assert sheet.size == (6 * (width + 3) + 3, 2 * (height + 3) + 3)
    assert contact_sheet(kind, "tiny", identities=99).height == 8 * (height + 3) + 3
    assert np.asarray(sheet).std() > 10
    assert not np.array_equal(
        sheet, contact_sheet(kind, "tiny", identities=2, part="query").resize(sheet.size)
    )


@pytest.mark.parametrize("kind", SIZES)
def test_a_partial_picture_is_a_part_of_the_whole_one(kind):
    whole, partial = Studio(kind, seed=0), Studio(kind, seed=0, queries="partial")
    shares = []
    for identity in range(1, 9):
        picture = pixels(whole, "query", identity, 1, 0).astype("uint8")
        part = pixels(partial, "query", identity, 1, 0).astype("uint8")
        windows = np.lib.stride_tricks.sliding_window_view(picture, part.shape)
        assert (windows == part).all(axis=(-3, -2, -1)).any()
        shares.append(part.shape[0] / picture.shape[0])
    assert 0.4 < min(shares) < max(shares) < 0.75


@pytest.mark.parametrize("kind", SIZES)
def test_an_occluded_picture_hides_a_half_and_leaves_the_rest(kind):
    whole, occluded = Studio(kind, seed=0), Studio(kind, seed=0, queries="occluded")
    shares = []
    for identity in range(1, 9):
        pair = (pixels(studio, "query", identity, 1, 0) for studio in (whole, occluded))
        shares.append((np.abs(np.subtract(*pair)) > 20).any(axis=-1).mean())  # noise is far below 20
    assert 0.25 < np.mean(shares) < 0.6


@pytest.mark.parametrize("view", ["partial", "occluded"])
def test_views_are_of_queries_alone(view):
    for part in ("train", "gallery"):
        images = [pixels(Studio("person", 0, queries=queries), part, 1, 1, 0) for queries in ("whole", view)]
        np.testing.assert_array_equal(*images)


@pytest.mark.parametrize("kind", SIZES)
def test_evening_is_darker_and_of_many_colours(kind):
    def statistics(domain):
        studio = Studio(kind, 0, domain)
        cameras = np.array(
            [
                np.mean(
                    [pixels(studio, "train", identity, camera, 0) for identity in (1, 5, 9)], axis=(0, 1, 2)
                )
                for camera in range(1, 7)
            ]
        )
        return cameras.mean(), np.std(cameras[:, 0] / cameras[:, 2])

    (day_light, day_colours), (light, colours) = statistics("day"), statistics("evening")
    assert light < 0.8 * day_light
    assert colours > 1.5 * day_colours
