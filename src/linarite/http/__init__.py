"""What the faces share: one request funnel (routing, authentication, ranges, conditions, errors, access log).

No protocol's names and no engine here: a face brings its routes, its way to know a caller and its way to say no.
"""
