"""`-m pytest` with a test that has no loop and sleeps"""
# harm: command -m pytest -s -p no:cacheprovider -p no:terminal {file}
# harm: needs pytest
# harm: also ^C
# harm: exit pytest counts a failed test, and goes on

import time


def test_first():
    print("ready", flush=True)
    try:
        time.sleep(3600)
    finally:
        print("cleanup: first test", flush=True)


def test_second():
    print("second test runs", flush=True)
