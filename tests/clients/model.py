"""Stands in for a model's API, for a client that nobody speaks to: asks for tool calls, one after the other.

Usage: model.py PORT CALLS NOTES

CALLS is a JSON list of {"name": TOOL, "input": {…}}; "$RUN" within an input becomes the id of the run that the
last result named. What each call came to, as the client sends it back, is written to the file NOTES. Serves
POST /v1/messages on loopback, streamed as the client asks, and says "ready" once it does.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RUN_ID = re.compile(r"\b[a-z0-9]{26}\b")
USAGE = {"input_tokens": 1, "output_tokens": 1}


def main() -> None:
    port, calls, notes = sys.argv[1:]
    Model.calls, Model.notes = json.loads(calls), notes
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Model)
    print("ready", flush=True)
    server.serve_forever()


class Model(BaseHTTPRequestHandler):
    calls: list[dict[str, Any]]
    notes: str

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        results = results_of(asked.get("messages", []))
        with open(self.notes, "w") as file:
            json.dump(results, file)
        # What a client asks beside the conversation, such as a title for it, comes without tools.
        is_next = bool(asked.get("tools")) and len(results) < len(self.calls)
        reply = message(asked["model"], self.calls[len(results)] if is_next else None, results)
        if asked.get("stream"):
            self.send("text/event-stream", "".join(map(event, streamed(reply))))
        else:
            self.send("application/json", json.dumps(reply))

    def send(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def results_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks = [b for m in messages if isinstance(m["content"], list) for b in m["content"]]
    return [block for block in blocks if block["type"] == "tool_result"]


def message(
    model: str, call: dict[str, Any] | None, results: list[dict[str, Any]]
) -> dict[str, Any]:
    if call is None:
        block: dict[str, Any] = {"type": "text", "text": "done"}
    else:
        runs = RUN_ID.findall(json.dumps(results[-1:]))
        given = json.dumps(call["input"]).replace("$RUN", runs[0] if runs else "none")
        use = {"id": f"toolu_{len(results)}", "name": call["name"], "input": json.loads(given)}
        block = {"type": "tool_use"} | use
    reason = "end_turn" if call is None else "tool_use"
    said = {"content": [block], "stop_reason": reason, "stop_sequence": None, "usage": USAGE}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model} | said


def streamed(reply: dict[str, Any]) -> list[dict[str, Any]]:
    [block] = reply["content"]
    if block["type"] == "tool_use":
        begun = block | {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        begun = block | {"text": ""}
        delta = {"type": "text_delta", "text": block["text"]}
    end = {"stop_reason": reply["stop_reason"], "stop_sequence": None}
    return [
        {"type": "message_start", "message": reply | {"content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": USAGE},
        {"type": "message_stop"},
    ]


def event(data: dict[str, Any]) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


main()
