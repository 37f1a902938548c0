"""`-m uvicorn` with work after `yield` in its lifespan"""
# harm: command -m uvicorn {name}:app --log-level warning --port {port}
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, pairs

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("ready", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0.3)
        print("cleanup: pool closed", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
