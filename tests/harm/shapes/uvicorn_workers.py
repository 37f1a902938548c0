"""`-m uvicorn --workers 2`, each with a lifespan"""
# harm: command -m uvicorn {name}:app --log-level warning --port {port} --workers 2
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, TERM 1s TERM
# harm: order any
# harm: slack 1 the parent looks only every half second whether it has been told, and whether a worker has ended

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir())


async def app(scope, receive, send):
    if scope["type"] != "lifespan":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await receive()
    mine = FOLDER / f"worker-{os.getpid()}"
    mine.touch()
    await send({"type": "lifespan.startup.complete"})
    if len(list(FOLDER.glob("worker-*"))) == 2:
        with contextlib.suppress(FileExistsError):  # the other may have seen both, too
            (FOLDER / "both").mkdir()
            print("ready", flush=True)
    await receive()
    await asyncio.sleep(1.3)
    mine.unlink()
    print("cleanup: pool closed", flush=True)
    await send({"type": "lifespan.shutdown.complete"})
