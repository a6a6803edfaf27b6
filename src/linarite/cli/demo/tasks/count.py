"""A task of the demo: count the identifiers of one Python source file and put the counts on the share.

Usage: count.py MODULE.py. The place for the counts comes in COUNTS_URL (a file's URL), the right to write there in
COUNTS_SAS. On a cluster, whose machines do not reach the demo's server, COUNTS_PATH is a file below the node's mounts.
Standard library only; runs under any Python 3.8 or newer.
"""

import collections
import json
import keyword
import os
import sys
import tokenize
import urllib.request

VERSION = "2025-01-05"


def count(path: str) -> "collections.Counter[str]":
    """Identifiers of a source file with how often each stands in it."""
    counts: collections.Counter[str] = collections.Counter()
    with open(path, "rb") as source:
        try:
            for token in tokenize.tokenize(source.readline):
                if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                    counts[token.string] += 1
        except (tokenize.TokenError, SyntaxError) as error:
            print(f"{path}: read as far as it goes: {error}", file=sys.stderr)
    return counts


def put(url: str, signature: str, data: bytes) -> None:
    """Two plain PUTs: make the file, write its bytes."""
    make = {"x-ms-type": "file", "x-ms-content-length": str(len(data)), "Content-Length": "0"}
    write = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{len(data) - 1}"}
    for target, headers, body in ((f"{url}?{signature}", make, b""), (f"{url}?comp=range&{signature}", write, data)):
        headers["x-ms-version"] = VERSION
        request = urllib.request.Request(target, data=body, headers=headers, method="PUT")
        urllib.request.urlopen(request, timeout=30).close()


if __name__ == "__main__":
    found = count(sys.argv[1])
    if "COUNTS_PATH" in os.environ:
        with open(os.path.join(os.environ["AZ_BATCH_NODE_MOUNTS_DIR"], os.environ["COUNTS_PATH"]), "w") as file:
            json.dump(found, file)
    else:
        put(os.environ["COUNTS_URL"], os.environ["COUNTS_SAS"], json.dumps(found).encode())
    print(f"{sys.argv[1]}: {len(found)} identifiers, {sum(found.values())} uses")
