"""reads lines from stdin in main's thread, with a `finally`"""
# harm: also ^C, HUP

import sys

print("ready", flush=True)
try:
    for line in sys.stdin:
        print("read", line, flush=True)
finally:
    print("cleanup: finally", flush=True)
