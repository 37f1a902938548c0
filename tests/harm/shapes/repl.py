"""catches every KeyboardInterrupt and goes on, as a REPL does; the third ends it"""
# harm: also INT 1s INT, INT 1s INT 1s INT, ^C 1s ^C 1s ^C, INT 1s TERM
# harm: lives INT, INT 1s INT

import time

seen = 0
print("ready", flush=True)
while seen < 3:
    try:
        time.sleep(3600)
    except KeyboardInterrupt:
        seen += 1
        print("KeyboardInterrupt", seen, flush=True)
print("end", flush=True)
