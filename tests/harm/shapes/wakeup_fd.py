"""no loop: `signal.set_wakeup_fd()`, and the numbers that come out of the socket"""
# harm: also ^C, TERM 1s TERM

import signal
import socket
import time

reader, writer = socket.socketpair()
writer.setblocking(False)
print("wakeup fd before:", signal.set_wakeup_fd(writer.fileno()), flush=True)
for signum in signal.SIGINT, signal.SIGTERM:
    signal.signal(signum, lambda signum, frame: print("handler called", flush=True))
print("ready", flush=True)
print("received", signal.Signals(reader.recv(1)[0]).name, flush=True)
time.sleep(1.3)
print("end", flush=True)
