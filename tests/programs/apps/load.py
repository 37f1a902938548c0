"""A client's load: `load.py PORT MANY` keeps MANY requests in flight, each on a connection of its own, until the
server takes no more. Prints JSON at the end: for each request, whether it was answered whole.
"""

import asyncio
import itertools
import json
import sys

ids = itertools.count(1)


async def ask(port, which):
    """Whether the answer came whole; `None` when the server takes no connections any more."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        request = f"GET /slow?id={which} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = await reader.read()
    except OSError:
        return False
    finally:
        writer.close()
    # The last chunk, of length 0, ends an answer; so a server that closes early is found out.
    return answer.startswith(b"HTTP/1.1 200") and f"end of {which}\r\n0\r\n\r\n".encode() in answer


async def keep_asking(port, answers):
    while True:
        which = next(ids)
        whole = await ask(port, which)
        if whole is None:
            return
        answers[which] = whole
        if not whole:
            return


async def main(port, many):
    answers = {}
    await asyncio.gather(*(keep_asking(port, answers) for _ in range(many)))
    print(json.dumps(answers))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
