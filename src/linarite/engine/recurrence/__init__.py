"""Job schedules: jobs that are made again and again, at most one of a schedule at a time.

`timetable` is pure arithmetic of moments, `schedules` the rules, `records` what is kept. No clock and no timer in here:
the moment comes in with the unit of work, and the store is asked when the next one is due.
"""
