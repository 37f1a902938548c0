"""`-m uvicorn` with a stream open that never ends: plain uvicorn waits for it until a second Ctrl-C"""
# harm: command -m uvicorn {name}:app --log-level warning --port {port}
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, INT 1s INT, TERM 1s TERM
# harm: ends 0
# harm: must TERM: cleanup: lifespan

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("ready", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0.2)
        print("cleanup: lifespan", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"data", "more_body": True})
            await asyncio.sleep(0.1)
    finally:
        print("cleanup: stream", flush=True)
