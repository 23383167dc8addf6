import os
import signal
import threading

from keras_reid.training.callbacks import termination


def test_sigterm_is_noted_and_the_former_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with termination() as requested:
        assert not requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert requested()
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_does_without():
    found = []

    def inside():
        with termination() as requested:
            found.append(requested())

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [False]
