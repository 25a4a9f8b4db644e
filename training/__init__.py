"""How the shipped weights are made: drawn products, training views, the training of every network.

Nothing that builds assets imports this room.
"""
