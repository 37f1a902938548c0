"""no loop: `signal.pause()` between two handlers"""
# harm: also HUP, HUP 1s TERM, ^C
# harm: lives HUP

import signal
import sys

signal.signal(signal.SIGHUP, lambda signum, frame: print("reloaded", flush=True))
signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit("told to end"))
print("ready", flush=True)
try:
    while True:
        signal.pause()
finally:
    print("cleanup: finally", flush=True)
