"""A whole Airlock client: client.py http://127.0.0.1:3000 alice wonderland. Ends with 0 when all went by the protocol."""
import asyncio, json, os, sys
from urllib.request import Request, urlopen
import websockets

base, username, password = sys.argv[1:]
silence, grace = 30, float(os.environ.get("GRACE", 10))  # in seconds: for the first message, and beyond the server's interval

def post(path, token=None, **body):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return json.load(urlopen(Request(base + path, json.dumps(body).encode(), headers)))

async def main():
    token = post("/login", username=username, password=password)["token"]
    reply = post("/ws/ticket", token)
    url, offer = base.replace("http", "ws", 1) + "/ws/demo", [reply["protocol"], "ticket." + reply["ticket"]]
    async with websockets.connect(url, subprotocols=offer) as socket:
        assert socket.subprotocol == reply["protocol"], "never the carrier"
        async def send(**message):
            await socket.send(json.dumps(message))
        async def expect(kind, *skip):  # what the server sends next, but for messages that it sends any time
            global silence
            while (message := json.loads(await asyncio.wait_for(socket.recv(), silence)))["type"] in skip: pass
            assert message["type"] == kind, message
            silence = message["alive"] / 1000 + grace if message.get("alive") else silence
            print(kind, message.get("data") or message.get("user", {}).get("id", ""), flush=True)
        await send(type="auth", token=token, final=[4410], alive=True)  # "logged out", where others get 4403
        await expect("auth_ok")
        await send(type="echo", data="hello")
        await expect("echo", "tick", "alive")
        await expect("expiring", "tick", "alive")  # at 80 % of the token's life
        await send(type="refresh", token=post("/session", token)["token"])
        await expect("refresh_ok", "tick", "alive")
        await send(type="echo", data="still here")
        await expect("echo", "tick", "alive")
    print("closed", socket.close_code)
    try:
        async with websockets.connect(url, subprotocols=offer): sys.exit("the same ticket opened the door twice")
    except websockets.InvalidHandshake as error:
        assert str(error).endswith("HTTP 401"), error
        print("the same ticket again:", error)

try: asyncio.run(main())
except asyncio.TimeoutError: sys.exit("silent")
