"""What a batch system is: model, states, transitions, scheduling, dependencies, exit conditions.

Nothing here knows HTTP, SQL, a vendor's name, a process, the wall clock or a random number. What the engine needs of a
store, of nodes, of shares and of a clock it states as protocols in `engine.ports`; its neighbours implement them.
"""
