"""The properties of jobs, tasks and nodes: one table each, from which reading, writing and settability follow.

Source: Get Job, Create Job, Set Job Properties, Submit Job, Add Task, Get Task, Get Node (Remarks of each page).
"""
