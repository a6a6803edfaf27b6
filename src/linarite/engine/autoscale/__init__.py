"""The language of autoscale formulas: grammar, values, operators, functions, metrics. Text and facts in, targets out.

Nothing here reads a store, a clock or a random number: what a formula sees comes in as `metrics.Facts`. Work is
bounded: the text, the nesting, the number of statements and the elements that one evaluation may touch.
Source: "Create a formula to automatically scale compute nodes in a Batch pool" (learn.microsoft.com, azure/batch),
Batch NOTES section 11, and what the service was seen to answer (docs/autoscale.md tells which is which).
"""
