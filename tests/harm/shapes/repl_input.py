"""`input()` in a loop that catches KeyboardInterrupt and asks again; the second ends it"""
# harm: also INT 1s INT, ^C 1s ^C
# harm: lives INT

print("ready", flush=True)
for n in range(2):
    try:
        print("said", input(), flush=True)
    except KeyboardInterrupt:
        print("KeyboardInterrupt", n, flush=True)
print("end", flush=True)
