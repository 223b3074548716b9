"""Runs the reference loop as a process of its own, so that its CPU is read as a Node's is.

stdin: one JSON line {"profile", "publisher_key", "destinations": [[ip, port, key], ...]}, keys in hex, then
nothing until it shall end. stdout: {"port"} once ready, {"forwarded", "failed"} at the end.
"""

import json
import sys
import threading

from bench.reference.forwarder import ReferenceForwarder


def main() -> int:
    order = json.loads(sys.stdin.readline())
    forwarder = ReferenceForwarder(
        profile=order["profile"],
        publisher_key=bytes.fromhex(order["publisher_key"]),
        limit=len(order["destinations"]),
    )
    for ip, port, key in order["destinations"]:
        forwarder.add_destination(ip, port, bytes.fromhex(key))
    thread = threading.Thread(target=forwarder.run, name="reference")
    thread.start()
    print(json.dumps({"port": forwarder.number}), flush=True)
    sys.stdin.read()
    forwarder.stop()
    thread.join()
    print(json.dumps({"forwarded": forwarder.forwarded, "failed": forwarder.failed}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
