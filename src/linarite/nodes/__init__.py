"""Where command lines run, behind the contract of `engine.ports.nodes`: processes on this machine.

`local.LocalNodes` is the server's half. `host` is a small process of its own that starts the command lines, so that
they outlive the server. No scheduling, no store and no HTTP face may enter here.
"""
