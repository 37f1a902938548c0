"""no loop at all: a sleep, with `finally` and an atexit handler"""
# harm: also none, HUP, ^C, pairs

import atexit
import os
import time

SECONDS = float(os.environ["SECONDS"])
atexit.register(print, "cleanup: atexit", flush=True)
print("ready", flush=True)
try:
    time.sleep(SECONDS)
    print("slept", flush=True)
finally:
    print("cleanup: finally", flush=True)
