"""no loop: `except BaseException` around a sleep, which logs and goes on"""
# harm: also none, ^C

import os
import time

SECONDS = float(os.environ["SECONDS"])
print("ready", flush=True)
try:
    time.sleep(SECONDS)
except BaseException:
    print("cleanup: logged", flush=True)
print("cleanup: end", flush=True)
