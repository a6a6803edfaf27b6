"""The dates that `x-ms-version` may name. Source: NOTES 1 and 12."""

from __future__ import annotations

KNOWN = (
    "2019-02-02", "2019-07-07", "2019-10-10", "2019-12-12", "2020-02-10", "2020-04-08", "2020-06-12", "2020-08-04",
    "2020-10-02", "2020-12-06", "2021-02-12", "2021-04-10", "2021-06-08", "2021-08-06", "2021-10-04", "2021-12-02",
    "2022-11-02", "2023-01-03", "2023-05-03", "2023-08-03", "2023-11-03", "2024-02-04", "2024-05-04", "2024-08-04",
    "2024-11-04", "2025-01-05", "2025-05-05", "2025-07-05", "2025-11-05", "2026-02-06", "2026-04-06", "2026-06-06",
    "2026-10-06", "2027-03-07",
)  # fmt: skip
NEWEST = KNOWN[-1]
SIGNED = {
    "2015-04-05", "2015-07-08", "2015-12-11", "2016-05-31", "2017-04-17", "2017-07-29", "2017-11-09", "2018-03-28",
    "2018-11-09", *KNOWN,
}  # fmt: skip
"""The dates that the `sv` of a signature may name beside an `x-ms-version`: since the first that signs as we read."""
FILE_LEASES_SINCE = "2019-07-07"
PREMIUM_SINCE = "2019-07-07"
TIERS_SINCE = "2019-12-12"
DELETED_SINCE = "2019-12-12"
SHARE_LEASES_SINCE = "2020-02-10"
SHARE_PROTOCOLS_SINCE = "2020-02-10"
PROTOCOL_SETTINGS_SINCE = "2020-02-10"
DIFFERENCES_SINCE = "2020-02-10"
INCLUDE_SINCE = "2020-04-08"
BANDWIDTH_SINCE = "2021-02-12"
VIRTUAL_DIRECTORY_SINCE = "2023-08-03"
BURSTING_SINCE = "2024-11-04"
RENAMES_SINCE = "2021-04-10"
TRAILING_DOT_SINCE = "2022-11-02"
INTENT_SINCE = "2022-11-02"
LAST_WRITE_TIME_SINCE = "2021-06-08"
STRUCTURED_SINCE = "2025-01-05"
PROVISIONED_SINCE = "2025-01-05"
DIRECTORY_LEASE_SINCE = "2025-05-05"
NFS_SINCE = "2025-05-05"
DELEGATION_SINCE = "2025-07-05"
IN_TRANSIT_SINCE = "2026-02-06"
RANGE_PAGES_SINCE = "2026-10-06"
BODY_SINCE = "2026-06-06"
SEMANTICS_SINCE = "2026-06-06"
LINKS_SINCE = "2027-03-07"
FILE_IDS_SINCE = "2020-10-02"
TOLD_SINCE = {
    "x-ms-number-of-handles-failed": "2019-07-07",
    **dict.fromkeys(("x-ms-mode", "x-ms-owner", "x-ms-group", "x-ms-file-file-type", "x-ms-link-count"), NFS_SINCE),
}
"""Headers of answers that older versions do not have, beside those of shares (`share_properties`, `share_options`)."""
SETTLED = max(TOLD_SINCE.values())
"""From this version on an answer has all of them."""
