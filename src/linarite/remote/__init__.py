"""Copy sources on servers elsewhere: implements `engine.sharing.elsewhere.Elsewhere` as a client of HTTP.

What may not enter: files, SQL, and any knowledge of who asks.
"""

from linarite.remote.fetching import Fetcher

__all__ = ["Fetcher"]
