"""The last task of the demo: read every count from the share and print the identifiers used most, as JSON.

Usage: merge.py NUMBER. The counts stand in files 1.json to NUMBER.json below COUNTS_URL, read under COUNTS_SAS, or
below COUNTS_PATH in the node's mounts.
"""

import collections
import json
import os
import sys
import urllib.request


def read(name: str) -> "dict[str, int]":
    """The counts of one module."""
    if "COUNTS_PATH" in os.environ:
        with open(os.path.join(os.environ["AZ_BATCH_NODE_MOUNTS_DIR"], os.environ["COUNTS_PATH"], name)) as file:
            return json.load(file)  # type: ignore[no-any-return]
    url = f"{os.environ['COUNTS_URL']}/{name}?{os.environ['COUNTS_SAS']}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


if __name__ == "__main__":
    total: "collections.Counter[str]" = collections.Counter()
    for number in range(1, int(sys.argv[1]) + 1):
        total.update(read(f"{number}.json"))
    json.dump({"identifiers": len(total), "uses": sum(total.values()), "most": total.most_common(20)}, sys.stdout)
