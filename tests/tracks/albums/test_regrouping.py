from keras_reid.tracks.albums.regrouping import Plan, plan

NOBODY = -1


def test_nothing_to_do():
    assert plan([0, 0, 1], [5, 5, 6], [NOBODY] * 3) == Plan((), (), {0: 5, 1: 6})


def test_the_largest_part_keeps_the_identity():
    assert plan([0, 1, 1], [5, 5, 5], [NOBODY] * 3) == Plan(((0,),), (), {0: -1, 1: 5})


def test_decided_pictures_keep_the_identity_however_few():
    found = plan([0, 1, 1], [5, 5, 5], [5, NOBODY, NOBODY])
    assert found == Plan(((1, 2),), (), {0: 5, 1: -1})


def test_the_larger_identity_takes_the_others_in():
    assert plan([0, 0, 0], [5, 6, 6], [NOBODY] * 3).merges == ((6, (5,)),)


def test_a_decided_identity_takes_in_larger_ones():
    assert plan([0, 0, 0], [5, 6, 6], [5, NOBODY, NOBODY]).merges == ((5, (6,)),)


def test_parts_move_from_one_identity_to_another():
    found = plan([0, 0, 1, 1, 1], [5, 5, 5, 6, 6], [NOBODY] * 5)
    assert found == Plan(((2,),), ((6, (-1,)),), {0: 5, 1: 6})


def test_a_picture_that_an_answer_ties_to_a_decided_identity_does_not_decide_its_own():
    assert plan([0, 0, 0], [5, 6, 6], [5, 5, NOBODY]).merges == ((5, (6,)),)
