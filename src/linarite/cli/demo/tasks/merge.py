"""The last task of the demo: read every count from the share and print the identifiers used most, as JSON.

Usage: merge.py NUMBER. The counts stand in files 1.json to NUMBER.json below COUNTS_URL, read under COUNTS_SAS.
"""

import collections
import json
import os
import sys
import urllib.request

if __name__ == "__main__":
    total: "collections.Counter[str]" = collections.Counter()
    for number in range(1, int(sys.argv[1]) + 1):
        url = f"{os.environ['COUNTS_URL']}/{number}.json?{os.environ['COUNTS_SAS']}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            total.update(json.load(answer))
    json.dump({"identifiers": len(total), "uses": sum(total.values()), "most": total.most_common(20)}, sys.stdout)
