"""no loop: `subprocess.run()` of a child, which is killed when the wait for it is interrupted"""
# harm: also ^C, HUP

import subprocess

print("ready", flush=True)
try:
    print("status", subprocess.run(["sleep", "600"], check=False).returncode, flush=True)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    print("cleanup: finally", flush=True)
