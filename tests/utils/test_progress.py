import pytest

from keras_reid.utils import progress as module
from keras_reid.utils.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock to set, which the log lines are written by."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_no_time_left_before_one_can_be_known(clock, capsys):
    with progress("embedding", total=1000) as advance:
        clock.now += 60  # loading and compiling
        advance()
        clock.now += 1
        assert "left" not in capsys.readouterr().err
        clock.now += 9.5
        advance(105)
        assert capsys.readouterr().err == "embedding: 106/1000 images, 10/s, 1:10 elapsed, 1:29 left\n"


def test_the_last_line_has_nothing_left(clock, capsys):
    with progress("comparing", total=4, unit="queries") as advance:
        clock.now += 20
        advance()
        clock.now += 10
        advance(3)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "comparing: 1/4 queries, 0:20 elapsed"
    assert last == "comparing: 4/4 queries, 0.3/s, 0:30 elapsed"


def test_what_is_done_at_once_says_nothing(clock, capsys):
    with progress("checking", total=3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
