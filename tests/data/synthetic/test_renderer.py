"""The rasteriser against geometry that can be checked by hand."""

import numpy as np
import pytest

from keras_reid.data.synthetic.renderer import rasterise
from keras_reid.data.synthetic.shapes import ellipsoid, prism, vertex_normals, wheel

SQUARE = np.array([[2, 2], [2, 6], [6, 6], [6, 2]], "float32")  # anticlockwise as seen, y down
TWO_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])


def render(screen, faces, depth=1.0, height=8, width=8):
    inverse = np.broadcast_to(np.float32(1) / depth, len(screen)).astype("float32")
    return rasterise(np.asarray(screen, "float32"), inverse, faces, height, width)


def test_covers_exactly_the_pixel_centres_inside():
    seen = render(SQUARE, TWO_TRIANGLES)
    rows, columns = np.divmod(np.sort(seen.pixel), 8)
    assert len(seen.pixel) == len(set(seen.pixel.tolist())) == 16
    assert rows.min() == columns.min() == 2
    assert rows.max() == columns.max() == 5


def test_leaves_out_what_is_seen_from_behind():
    assert len(render(SQUARE, TWO_TRIANGLES[:, ::-1]).pixel) == 0


def test_clips_to_the_picture():
    seen = render(SQUARE * 10 - 25, TWO_TRIANGLES)
    assert sorted(seen.pixel) == list(range(64))


def test_nothing_to_see():
    seen = render(SQUARE + 100, TWO_TRIANGLES)
    assert seen.pixel.shape == (0,)
    assert seen.interpolate(np.ones((2, 4), "float32"), TWO_TRIANGLES).shape == (2, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nearest_face_wins_whatever_the_order(order):
    screen = np.concatenate([SQUARE, SQUARE + 2])
    depth = np.repeat([3.0, 2.0], 4)
    squares = [TWO_TRIANGLES, TWO_TRIANGLES + 4]
    faces = np.concatenate([squares[i] for i in order])
    seen = render(screen, faces, depth)
    near = faces[seen.face][:, 0] >= 4
    assert near.sum() == 16
    assert (~near).sum() == 16 - 4  # two by two pixels are hidden


def test_interpolates_linearly_at_equal_depth():
    seen = render(SQUARE, TWO_TRIANGLES)
    x, y = seen.interpolate(SQUARE.T.copy(), TWO_TRIANGLES)
    np.testing.assert_allclose(x, seen.pixel % 8 + 0.5, atol=1e-4)
    np.testing.assert_allclose(y, seen.pixel // 8 + 0.5, atol=1e-4)
    np.testing.assert_allclose(seen.weights.sum(0), 1, atol=1e-5)


def test_interpolation_is_perspective_correct():
    # A floor from depth 1 (left) to depth 3 (right): half way across the picture the depth is 1.5, not 2.
    screen = np.array([[0, 0], [0, 8], [8, 8], [8, 0]], "float32")
    depth = np.array([1, 1, 3, 3], "float32")
    seen = render(screen, TWO_TRIANGLES, depth)
    value = seen.interpolate(depth[None], TWO_TRIANGLES)[0]
    share = (seen.pixel % 8 + 0.5) / 8
    np.testing.assert_allclose(value, 1 / (1 - share + share / 3), rtol=1e-4)


@pytest.mark.parametrize(
    "shape",
    [
        ellipsoid((0, 0, 0), (1, 2, 3)),
        prism(((-1, 0), (-1, 1), (1, 1), (1, 0)), 2, 1),
        prism(((1, 0), (1, 1), (-1, 1), (-1, 0)), 2, 1),
        wheel((0, 0, 0), 1, 0.5),
    ],
    ids=["ellipsoid", "prism", "prism the other way round", "wheel"],
)
def test_shapes_face_outwards(shape):
    vertices, faces = shape
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    from_middle = corners.mean(1) - vertices.mean(0)
    area = np.linalg.norm(normal, axis=1)
    assert ((normal * from_middle).sum(1)[area > 1e-6] > 0).all()


def test_vertex_normals_of_a_sphere_point_away_from_its_middle():
    vertices, faces = ellipsoid((0, 0, 0), (1, 1, 1), rows=9, points=16)
    inner = np.abs(vertices[:, 1]) < 0.99  # all points of a pole's ring are one point
    cosine = (vertex_normals(vertices, faces) * vertices).sum(1)[inner]
    assert cosine.min() > 0.97
