import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from keras_reid.utils.allocator import keep_freed_memory

keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size = 8 << 20

def touch():
    pieces = [libc.malloc(size) for _ in range(4)]
    for piece in pieces:
        libc.memset(piece, 1, size)
    for piece in pieces:
        libc.free(piece)

touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets an option of glibc")
@pytest.mark.parametrize(("environment", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)])
def test_freed_memory_is_used_again_unless_the_environment_says_otherwise(environment, kept):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    # Each page that the system has to clear again is a fault: 4 · 8 MiB in pages of 4 KiB, five times.
    assert (int(done.stdout) < 500) == kept
